package verdict

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/check"
)

// rules is the table: the most fundamental first, which is also the more urgent of two roots of the same status. Each gives
// the roots of its kind that it finds in what is still open.
func rules() []func(*scene) []finding {
	return []func(*scene) []finding{
		noLink, noRoute, gatewaySilent, // this host's own network
		firewalls,
		blockedHere,
		uplink,
		hostSilent,
		noResolver, resolverDown,
		wrongName,
		wrongClock, likelyClock,
		portSilent,
		proxies,
		javaStores,
		authorities,
		accounts,
		sameServer,
		undecided,
		alone,
	}
}

// firewalls: what is wrong with the ruleset is a root of its own, whatever else fails.
func firewalls(s *scene) []finding {
	return s.each(s.open(func(_ int, r check.Result) bool { return r.Cause.Layer() == check.LayerFirewall }))
}

// alone is what no other rule explains: each is its own root.
func alone(s *scene) []finding {
	return s.each(s.open(func(int, check.Result) bool { return true }))
}

func (s *scene) each(positions []int) []finding {
	var found []finding
	for _, i := range positions {
		r := s.results[i]
		sentence := fmt.Sprintf("%s %s%s", subject(r), does(r), said(r))
		f := finding{cause: r.Cause, sentence: sentence, first: r.Remedy, explains: []int{i}, said: true}
		for _, e := range r.Endpoints {
			if unwell(e.Status) {
				f.evidence = append(f.evidence, s.endpoint(r, e))
			}
		}
		found = append(found, f)
	}
	return found
}

// endpoint is what was seen at one of a result's endpoints, without what the result says already.
func (*scene) endpoint(r check.Result, e check.Endpoint) string {
	line := e.Address + ": " + e.Status.String()
	if e.Cause != "" {
		line = e.Address + ": " + string(e.Cause)
	}
	if e.Detail != "" && !strings.Contains(r.Detail, e.Detail) {
		line += ": " + e.Detail
	}
	return line
}

// subject is a check and its target, where that says more than its name.
func subject(r check.Result) string {
	if r.Target == "" || r.Target == r.Check {
		return r.Check
	}
	return r.Check + " (" + r.Target + ")"
}

func does(r check.Result) string {
	verb := map[check.Status]string{check.Fail: "fails", check.Warn: "warns"}[r.Status]
	if verb == "" {
		verb = "cannot be told"
	}
	if layer := r.Cause.Layer(); layer != "" {
		return verb + ", at the layer " + string(layer)
	}
	return verb
}

func said(r check.Result) string {
	if r.Detail == "" {
		return ""
	}
	return ": " + r.Detail
}

// undecided: checks that say nothing and blame nobody, as those that were not run yet, are one root.
func undecided(s *scene) []finding {
	silent := s.open(func(_ int, r check.Result) bool { return r.Status == check.Unknown && r.Cause == "" })
	if len(silent) < 2 {
		return nil
	}
	names := s.names(silent)
	return []finding{{
		sentence: counted(len(names), "check says", "checks say") + " nothing yet: " + listed(names),
		so:       "wait for their first results",
		explains: silent,
	}}
}

// proxies: what fails at the same proxy is that proxy's.
func proxies(s *scene) []finding {
	var found []finding
	bad := s.open(func(_ int, r check.Result) bool { return r.Cause.Layer() == check.LayerProxy })
	for _, group := range grouped(bad, func(i int) string { return proxyOf(s.results[i]) }) {
		head := s.head(group, "")
		name := "the proxy " + proxyOf(head)
		words := map[check.Cause]string{
			check.ProxyRefused: name + " does not answer",
			check.ProxyAuth:    name + " does not let this host through without authentication",
			check.ProxyDenied:  name + " does not connect to " + listed(s.hosts(group)),
		}[head.Cause]
		if words == "" {
			words = name + " fails"
		}
		found = append(found, finding{cause: head.Cause, sentence: words, first: head.Remedy, explains: group})
	}
	return found
}

// accounts: one account that directories refuse is one root, at however many of them; what is held back because it was
// refused belongs to it.
func accounts(s *scene) []finding {
	var found []finding
	bad := s.openWith(check.LDAPInvalidCredentials, check.LDAPNoSuchUser, check.LDAPBadPassword, check.LDAPLogonHours,
		check.LDAPWorkstation, check.LDAPPasswordExpired, check.LDAPAccountDisabled, check.LDAPAccountExpired,
		check.LDAPPasswordMustChange, check.LDAPAccountLocked, check.LDAPNotRetried)
	for _, group := range grouped(bad, func(i int) string { return lower(accountOf(s.results[i])) }) {
		telling := slices.DeleteFunc(slices.Clone(group), func(i int) bool {
			return s.results[i].Cause == check.LDAPNotRetried
		})
		if len(telling) == 0 {
			telling = group
		}
		head := s.head(telling, "")
		found = append(found, finding{
			cause:    head.Cause,
			sentence: fmt.Sprintf("%s %s, at %s", accountOf(head), accountWords(head.Cause), listed(s.hosts(group))),
			first:    head.Remedy, explains: group,
		})
	}
	return found
}

func accountWords(cause check.Cause) string {
	words := map[check.Cause]string{
		check.LDAPNoSuchUser:         "is unknown",
		check.LDAPBadPassword:        "has another password than the file",
		check.LDAPLogonHours:         "may not log on at this hour",
		check.LDAPWorkstation:        "may not log on from this host",
		check.LDAPPasswordExpired:    "has an expired password",
		check.LDAPAccountDisabled:    "is disabled",
		check.LDAPAccountExpired:     "has expired",
		check.LDAPPasswordMustChange: "must change its password",
		check.LDAPAccountLocked:      "is locked",
		check.LDAPNotRetried:         "is not tried: its password is held back",
	}[cause]
	if words == "" {
		return "cannot log on"
	}
	return words
}
