package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// The bounds of a schedule.
const (
	shortestInterval = 100 * time.Millisecond
	longestInterval  = 7 * day
	shortestTimeout  = 10 * time.Millisecond
	longestTimeout   = 10 * time.Minute
	mostInARow       = 100
	longestExpiry    = 3650 * day
)

func checksForm() form[Checks] {
	// The defaults come first: what follows is read with them.
	return object([]key[Checks]{
		defaultsKey(),
		field("dns", "Names that must resolve.", list(dnsForm(), 0),
			func(c *Checks) *[]DNS { return &c.DNS }).byDefault("[]"),
		field("tls", "TLS servers that must answer with a certificate that is trusted.", list(tlsForm(), 0),
			func(c *Checks) *[]TLS { return &c.TLS }).byDefault("[]"),
		field("ldaps", "Directories that must answer.", list(ldapsForm(), 0),
			func(c *Checks) *[]LDAPS { return &c.LDAPS }).byDefault("[]"),
	}, nil)
}

// defaultsKey is what holds for each check that does not say otherwise.
func defaultsKey() key[Checks] {
	f := defaultsForm()
	s := f.schema
	s.Description = "What holds for each check that does not say otherwise; each of these keys may stand in a check too."
	builtIn := mustYAML("{}")
	k := key[Checks]{name: "defaults", schema: s}
	k.absent = func(r *reader, _ *Checks) { r.defaults = f.of(r, builtIn) }
	k.read = func(r *reader, n ast.Node, into *Checks) bool {
		v, ok := f.read(r, n)
		if !ok {
			k.absent(r, into) // so that no check is blamed for them
			return false
		}
		r.defaults = v
		return true
	}
	return k
}

func defaultsForm() form[defaults] {
	keys := slices.Concat(
		scheduleKeys(func(d *defaults) *Schedule { return &d.Schedule }),
		expiryKeys(func(d *defaults) *Expiry { return &d.Expiry }),
		inheritedKeys(func(d *defaults) *Server { return &d.Server }),
		[]key[defaults]{proxyKey(func(d *defaults) **Proxy { return &d.Proxy })},
	)
	values := map[string]string{"interval": "30s", "timeout": "5s", "fail_after": "2", "recover_after": "1",
		"expiry_warn": "21d", "expiry_fail": "7d", "revocation": RevocationSoft}
	for i, k := range keys {
		k.schema.hidden, k.absent = false, nil
		if text, ok := values[k.name]; ok {
			k = k.byDefault(text)
		}
		keys[i] = k
	}
	return object(keys, func(r *reader, f *found, d *defaults) {
		judgeSchedule(r, f, d.Schedule)
		judgeExpiry(r, f, d.Expiry)
	})
}

// scheduleKeys are the keys of a check's schedule; the file's defaults stand in for those that are left out.
func scheduleKeys[T any](at func(*T) *Schedule) []key[T] {
	return []key[T]{
		field("interval", "From the start of a run to the start of the next.", duration(shortestInterval, longestInterval),
			func(v *T) *time.Duration { return &at(v).Interval }).
			inherit(func(r *reader, v *T) { at(v).Interval = r.defaults.Interval }),
		field("timeout", "How long a run may take; shorter than the interval.", duration(shortestTimeout, longestTimeout),
			func(v *T) *time.Duration { return &at(v).Timeout }).
			inherit(func(r *reader, v *T) { at(v).Timeout = r.defaults.Timeout }),
		field("fail_after", "How many bad results in a row make the check fail.", whole(1, mostInARow),
			func(v *T) *int { return &at(v).FailAfter }).
			inherit(func(r *reader, v *T) { at(v).FailAfter = r.defaults.FailAfter }),
		field("recover_after", "How many good results in a row make it well again.", whole(1, mostInARow),
			func(v *T) *int { return &at(v).RecoverAfter }).
			inherit(func(r *reader, v *T) { at(v).RecoverAfter = r.defaults.RecoverAfter }),
	}
}

// expiryKeys are the keys of how early a certificate's end is told.
func expiryKeys[T any](at func(*T) *Expiry) []key[T] {
	return []key[T]{
		field("expiry_warn", "How long before a certificate's end the check warns.", duration(0, longestExpiry),
			func(v *T) *time.Duration { return &at(v).Warn }).
			inherit(func(r *reader, v *T) { at(v).Warn = r.defaults.Warn }),
		field("expiry_fail", "How long before a certificate's end the check fails.", duration(0, longestExpiry),
			func(v *T) *time.Duration { return &at(v).Fail }).
			inherit(func(r *reader, v *T) { at(v).Fail = r.defaults.Fail }),
	}
}

// inherit is the key with a default that the file itself gives.
func (k key[T]) inherit(give func(r *reader, into *T)) key[T] {
	k.absent = give
	k.schema.hidden = true
	return k
}

// judgeSchedule refuses a timeout that does not end before the next run begins.
func judgeSchedule(r *reader, f *found, s Schedule) {
	if !f.sound("interval", "timeout") || s.Timeout < s.Interval {
		return
	}
	interval, timeout := short(s.Interval), short(s.Timeout)
	switch {
	case f.has("timeout"):
		r.wrong(f.at("timeout"), "write a timeout below "+interval+", or a longer interval",
			"the timeout of %s is not shorter than the interval of %s", timeout, interval)
	default:
		r.wrong(f.at("interval"), "add a timeout below "+interval+" here",
			"the interval of %s is not longer than the default timeout of %s", interval, timeout)
	}
}

// judgeExpiry refuses a warning that would never be seen.
func judgeExpiry(r *reader, f *found, e Expiry) {
	if !f.sound("expiry_warn", "expiry_fail") || e.Warn > e.Fail {
		return
	}
	r.wrong(f.at("expiry_warn", "expiry_fail"), "write a longer expiry_warn, or a shorter expiry_fail", "%s",
		fmt.Sprintf("expiry_warn (%s) is not longer than expiry_fail (%s): the warning would never be seen",
			short(e.Warn), short(e.Fail)))
}

// nameKey is the name of a check.
func nameKey[T any](sample string, at func(*T) *string) key[T] {
	return field("name", "The check's name, unique among all checks.", checkNames(), at).needed().sample(sample)
}

// claimName takes the name of a check: it is unique among the checks of all kinds.
func claimName(r *reader, f *found, name string) {
	if f.has("name") {
		r.claim("check", name, f.at("name"))
	}
}
