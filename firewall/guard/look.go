package guard

import (
	"context"
	"errors"
	"fmt"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// Name is the name of the check under which the ruleset is reported.
const Name = "firewall"

// Check is the check of the live ruleset, without a schedule: the guard runs it by its own.
func Check() check.Check {
	return check.Check{Name: Name, Kind: check.KindFirewall, Target: "inet " + firewall.Table}
}

// Kernel is what the guard needs of the kernel's side.
type Kernel interface {
	ApplyRehearsed(ctx context.Context, ruleset firewall.Ruleset) (kernel.Dump, error)
	Repair(ctx context.Context, ruleset firewall.Ruleset, live, golden kernel.Dump) (kernel.Dump, error)
	Golden(ctx context.Context, ruleset firewall.Ruleset) (kernel.Dump, error)
	Remove(ctx context.Context) error
	Dump(ctx context.Context) (kernel.Dump, error)
	SetOwnership(o kernel.Ownership)
	Learn(ctx context.Context, learned []kernel.Learned) error
	Sentries() (*kernel.Sentries, error) // nil: there are none
	Knocks(ctx context.Context) ([]kernel.Knock, error)
	Refused(ctx context.Context) ([]kernel.Refusal, error)
	Watch() (follow func(ctx context.Context, changed func(kernel.Change)) error, err error)
}

// Evidence is what a result about the ruleset carries.
type Evidence struct {
	Drift []string `json:"drift,omitempty"` // in nft words: + is missing from the live table, - is too much in it
	Hash  string   `json:"hash,omitempty"`  // of the live table's normalised dump

	By      *Author `json:"by,omitempty"`         // who changed it, where that is known
	Exposed float64 `json:"exposed_ms,omitempty"` // milliseconds until it was put back

	// AtMost says that Exposed counts from the latest look at which all was well: the kernel told of no change, or the
	// guard was held up and heard of it late.
	AtMost bool `json:"exposed_at_most,omitempty"`

	Others any `json:"others,omitempty"` // what the rules of others do to the policy, as their own check tells it

	// Connections are TCP connections that were there after a repair, and that came in though the policy lets them not
	// in; at most 100 of Intruders.
	Connections []Connection `json:"connections,omitempty"`
	Intruders   int          `json:"intruders,omitempty"`

	Trial      *TrialEvidence `json:"trial,omitempty"`       // the one that runs
	RolledBack *RolledBack    `json:"rolled_back,omitempty"` // the latest that came to nothing
}

// look is what one look at the live table saw.
type look struct {
	err     error
	missing bool
	dormant bool
	exact   bool // the normalised dumps are equal
	hash    string
	drift   firewall.Drift
}

// Verify compares the live table with the ruleset that should be in force, whose normalised dump is golden. It only
// reads.
func Verify(ctx context.Context, live Kernel, want firewall.Ruleset, golden kernel.Dump) check.Result {
	dump, err := live.Dump(ctx)
	return judge(compare(want, golden, dump, err))
}

// compare tells what a dump shows; its error is that of taking it.
func compare(want firewall.Ruleset, golden, live kernel.Dump, err error) look {
	if err != nil {
		return look{err: err, missing: errors.Is(err, kernel.ErrNoTable)}
	}
	seen := look{hash: fmt.Sprintf("%x", live.Hash()), exact: live.Equal(golden)}
	if !seen.exact {
		seen.dormant, seen.drift = live.Dormant(), firewall.Diff(want, live.Ruleset())
	}
	return seen
}

// judge says what a look means.
func judge(l look) check.Result {
	switch {
	case l.missing:
		return check.Result{
			Status: check.Fail, Cause: check.FirewallMissing,
			Detail: "the table inet " + firewall.Table + " is not in the kernel: the host is open, other rules aside",
			Remedy: "Put it in force with `sallyport apply --now`, or let `sallyport run` keep it in force.",
		}
	case l.err != nil:
		return Failure(l.err)
	case l.dormant:
		return check.Result{
			Status: check.Fail, Cause: check.FirewallDormant,
			Detail:   "the table inet " + firewall.Table + " is dormant: it is there, but judges no packet",
			Remedy:   "Wake it with `sallyport apply --now`; find who ran `nft add table … { flags dormant; }`.",
			Evidence: Evidence{Hash: l.hash, Drift: lines(l.drift)},
		}
	case l.exact:
		return check.Result{
			Status: check.OK, Detail: "the live ruleset is exactly what was compiled", Evidence: Evidence{Hash: l.hash},
		}
	default:
		return check.Result{
			Status: check.Fail, Cause: check.FirewallDrift,
			Detail:   "the live ruleset differs from the compiled one: " + summary(l.drift),
			Remedy:   "See `sallyport plan` for the whole difference; put it back with `sallyport apply --now`.",
			Evidence: Evidence{Hash: l.hash, Drift: lines(l.drift)},
		}
	}
}

// Failure is the result for an error of the kernel's side.
func Failure(err error) check.Result {
	r := check.Result{Status: check.Unknown, Cause: check.UnknownIn(check.LayerFirewall), Detail: err.Error()}
	switch {
	case errors.Is(err, kernel.ErrNotPermitted):
		r.Cause = check.FirewallNotPermitted
		r.Remedy = "Run it as root, or with the capability CAP_NET_ADMIN."
	case errors.Is(err, kernel.ErrUnsupported), errors.Is(err, kernel.ErrNoNftables):
		r.Cause = check.FirewallUnsupported
		r.Remedy = "Load the module that it names, or boot a kernel built with it."
	}
	return r
}

// lines is the drift for a machine: one change each, with its place.
func lines(d firewall.Drift) []string {
	list := make([]string, 0, len(d.Changes))
	for _, c := range d.Changes {
		list = append(list, c.String()+" (in "+c.In+")")
	}
	return list
}

// summary is the first change of a drift in words, and how many more there are.
func summary(d firewall.Drift) string {
	if d.Empty() {
		return "in a detail that has no nft word (its hash is another)"
	}
	first := d.Changes[0]
	verb := "has too much"
	if first.Missing {
		verb = "lacks"
	}
	text := fmt.Sprintf("%s %s the %s %q", first.In, verb, first.Object, first.Text)
	if more := len(d.Changes) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}
