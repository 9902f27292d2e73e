package others_test

import (
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/proof/others"
)

// TestUnanswered holds that a notrack of a served port of UDP is told where egress is enforced: the answers are refused.
func TestUnanswered(t *testing.T) {
	const chains = "add table ip x\nadd chain ip x in { type filter hook prerouting priority raw; }\n" +
		"add chain ip x out { type filter hook output priority raw; }\n"
	for name, test := range map[string]struct {
		rule string
		mode firewall.EgressMode
		told bool
	}{
		"asked":    {"add rule ip x in udp dport 53 notrack", firewall.EgressEnforce, true},
		"answers":  {"add rule ip x out udp sport 53 notrack", firewall.EgressEnforce, true},
		"observed": {"add rule ip x in udp dport 53 notrack", firewall.EgressObserve, false},
		"open":     {"add rule ip x in udp dport 53 notrack", firewall.EgressOpen, false},
		"TCP":      {"add rule ip x in tcp dport 53 notrack", firewall.EgressEnforce, false},
		"another":  {"add rule ip x in udp dport 123 notrack", firewall.EgressEnforce, false},
	} {
		t.Run(name, func(t *testing.T) {
			newNamespace(t)
			run(t, chains+test.rule, "nft -f -")
			p := hostPolicy()
			p.Egress.Mode = test.mode
			p.Allow = []firewall.Exception{{Name: "dns", Any: true, Ports: []firewall.Ports{
				{Protocol: firewall.UDP, First: 53, Last: 53}, {Protocol: firewall.TCP, First: 53, Last: 53},
			}}}
			told := false
			for _, f := range others.Interference(takeCensus(t), p) {
				told = told || f.Cause == check.FirewallForeignDrop && f.Grade == check.Warn &&
					strings.Contains(f.Detail, "it hides packets of dns (53/udp)")
			}
			if told != test.told {
				t.Errorf("told %t: %v", told, others.Interference(takeCensus(t), p))
			}
		})
	}
}
