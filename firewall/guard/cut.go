package guard

import (
	"context"
	"fmt"
	"net/netip"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

// maxConnections bounds those that a result tells of one by one, and spelled those that its text does.
const (
	maxConnections = 100
	spelled        = 3
)

// Connection is one that came in while the ruleset was not in force.
type Connection struct {
	From netip.AddrPort `json:"from"`
	To   netip.AddrPort `json:"to"`
	Cut  bool           `json:"cut"`
}

// cutOff ends, after a repair, the TCP connections that came in and that no policy lets in. The repaired ruleset drops
// their packets, but not what they have sent already, and a program that holds on to them would not notice.
func (g *Guard) cutOff(ctx context.Context, repaired check.Result) check.Result {
	if !g.enforce || len(g.policies) == 0 ||
		repaired.Cause != check.FirewallRepaired && repaired.Cause != check.FirewallContended {
		return repaired
	}
	cuts, err := sockets.CutOff(ctx, func(p firewall.Peer) bool { return p.Intrudes(g.policies...) })
	if err != nil {
		repaired.Detail += "; who came in meanwhile cannot be told: " + err.Error()
		return repaired
	}
	return withCuts(repaired, cuts)
}

// withCuts adds to a result which connections were cut, or why they were not.
func withCuts(r check.Result, cuts []sockets.Cut) check.Result {
	if len(cuts) == 0 {
		return r
	}
	evidence, _ := r.Evidence.(Evidence) // the zero one where there is none
	evidence.Intruders = len(cuts)
	cut := 0
	var why error
	for i, c := range cuts {
		if c.Err == nil {
			cut++
		} else if why == nil {
			why = c.Err
		}
		if i < maxConnections {
			evidence.Connections = append(evidence.Connections, Connection{From: c.Remote, To: c.Local, Cut: c.Err == nil})
		}
	}
	r.Evidence = evidence
	r.Detail += fmt.Sprintf("; %d of %d connections that the policy does not let in were cut: ", cut, len(cuts))
	for i, c := range cuts[:min(len(cuts), spelled)] {
		if i > 0 {
			r.Detail += ", "
		}
		r.Detail += fmt.Sprintf("from %s to port %d", c.Remote.Addr(), c.Local.Port())
	}
	if more := len(cuts) - spelled; more > 0 {
		r.Detail += fmt.Sprintf(", and %d more", more)
	}
	if why != nil {
		r.Detail += "; the others stay, though their packets are dropped: " + why.Error()
	}
	return r
}
