package proof

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/check"
	"sallyport/firewall"
)

// Wrong is one packet with which a ruleset does otherwise than the policy says.
type Wrong struct {
	Cause check.Cause
	Text  string // what was seen, in a sentence
}

// RefusedError says that a ruleset is not what the policy says: it must not be put in force.
type RefusedError struct {
	Wrong []Wrong // at least one, those that shut the owner out first
}

// maxWrongShown bounds the text of a RefusedError: a ruleset that is quite wrong is wrong in a thousand ways.
const maxWrongShown = 8

// Error says what was wrong.
func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("the ruleset is refused, it does not do what the policy says:")
	for _, w := range e.Wrong[:min(maxWrongShown, len(e.Wrong))] {
		fmt.Fprintf(&b, "\n  %s", w.Text)
	}
	if more := len(e.Wrong) - maxWrongShown; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more", more)
	}
	return b.String()
}

// Cause is the worst of the causes: firewall.lockout where management would not get in.
func (e *RefusedError) Cause() check.Cause { return e.Wrong[0].Cause }

// worstFirst sorts what would shut the owner out before what would let strangers in, and all else behind.
func worstFirst(wrong []Wrong) {
	order := []check.Cause{check.FirewallLockout, check.FirewallExposed}
	rank := func(w Wrong) int {
		if i := slices.Index(order, w.Cause); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(wrong, func(a, b Wrong) int { return rank(a) - rank(b) })
}

// misjudged says what is wrong with a visit that did not end as the policy says.
func misjudged(v visit) Wrong {
	what := fmt.Sprintf("%d/%s by the interface %s", v.Port, protocolName(v.Protocol), v.By)
	switch {
	case v.In && v.Management:
		return Wrong{check.FirewallLockout,
			fmt.Sprintf("management exception %s: %s -> %s was dropped (rehearsed)", v.Way, v.From, what)}
	case v.In:
		return Wrong{check.Internal, fmt.Sprintf("exception %s: %s -> %s was dropped (rehearsed)", v.Way, v.From, what)}
	case !v.Named:
		return Wrong{check.FirewallExposed,
			fmt.Sprintf("a stranger, %s, got in on %s, which no exception names (rehearsed)", v.From, what)}
	case v.Stray:
		return Wrong{check.FirewallExposed,
			fmt.Sprintf("a stranger, %s, got in on %s without beginning a connection (rehearsed)", v.From, what)}
	default:
		return Wrong{check.FirewallExposed,
			fmt.Sprintf("a stranger, %s, got in on %s, to which no exception lets it (rehearsed)", v.From, what)}
	}
}

func protocolName(p firewall.Protocol) string {
	if p == firewall.UDP {
		return "udp"
	}
	return "tcp"
}
