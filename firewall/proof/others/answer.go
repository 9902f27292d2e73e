package others

import (
	"fmt"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// unanswered finds who hides from connection tracking what a port of UDP is asked, or its answers: where egress is enforced,
// an answer that belongs to no known connection is judged as a connection of the host's own. Of TCP only a first packet is.
func unanswered(c census.Census, p firewall.Policy, budget *int) []Finding {
	if p.Egress.Mode != firewall.EgressEnforce {
		return nil
	}
	var list []Finding
	seen := make(map[spot]bool)
	for i := range c.Tables {
		t := &c.Tables[i]
		for _, f := range served(c, p) {
			for _, w := range walks(c, t, &f, budget) {
				for _, s := range w.effects {
					at := spotOf(t, s)
					if s.step.Kind != census.StepNotrack || seen[at] {
						continue
					}
					seen[at] = true
					list = append(list, unansweredFinding(at, f, s))
				}
			}
		}
	}
	return list
}

func unansweredFinding(at spot, f flow, s stop) Finding {
	return Finding{
		Grade: check.Warn, Cause: check.FirewallForeignDrop,
		Table: at.table, Chain: at.chain, Handle: at.handle, Rule: at.rule,
		Detail: fmt.Sprintf("it hides packets of %s%s: the answers look like connections of the host's own, which "+
			"`egress: {mode: enforce}` refuses", f.of, s.why.text()),
		Remedy: "Remove it, or name those who ask under `firewall: egress: also`, with the ports that they ask from.",
	}
}

// served are the packets of the exceptions that have ports of UDP, at most as many as are followed at all.
func served(c census.Census, p firewall.Policy) []flow {
	var flows []flow
	for _, f := range flowsOf(c, p) {
		if f.protocol == firewall.Number(firewall.UDP) && (f.kind == ofManagement || f.kind == ofAllow) {
			flows = append(flows, f)
		}
	}
	return flows[:min(len(flows), maxFlows)]
}
