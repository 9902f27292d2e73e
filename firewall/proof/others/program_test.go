package others_test

import (
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
	"sallyport/firewall/proof/others"
)

// TestProgramsAndFlowtables judges what this machine's kernel may not make.
func TestProgramsAndFlowtables(t *testing.T) {
	program := func(p census.Program) census.Census {
		p.Link = "eth0"
		return census.Census{Programs: []census.Program{p}}
	}
	flowtable := func(devices ...string) census.Census {
		return census.Census{Tables: []census.Table{{
			Family: "inet", Name: "x", Flowtables: []census.Flowtable{{Name: "f", Devices: devices}},
			Chains: []census.Chain{{
				Name: "c", Hook: &firewall.Hook{Name: "forward"},
				Rules: []census.Rule{{Handle: 3, Steps: []census.Step{
					{Kind: census.StepOffload, Text: "flow add @f"},
				}}},
			}},
		}}}
	}
	for name, test := range map[string]struct {
		census census.Census
		policy firewall.Policy
		grade  check.Status
		says   string
	}{
		"xdp": {
			program(census.Program{Kind: "xdp", Hook: "ingress", ID: 7, Direct: true}),
			firewall.Policy{}, check.Warn, "id 7",
		},
		"tcx": {
			program(census.Program{Kind: "tcx", Hook: "egress", ID: 7, Direct: true}),
			firewall.Policy{}, check.Warn, "tcx egress",
		},
		"a redirect": {
			program(census.Program{Kind: "u32", Actions: []string{"mirred"}}),
			firewall.Policy{}, check.Warn, "(mirred)",
		},
		"a class": {
			program(census.Program{Kind: "u32"}),
			firewall.Policy{}, check.OK, "sorts",
		},
		"a flowtable": {flowtable("eth0", "eth1"), firewall.Policy{}, check.Warn, "forward"},
		"a flowtable, and forwarding": {
			flowtable("eth0"), firewall.Policy{Forward: firewall.ForwardAccept}, check.OK, "flow add @f",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := others.InterferenceResult(test.census, test.policy)
			evidence, ok := r.Evidence.(others.InterferenceEvidence)
			if !ok || len(evidence.Findings) == 0 {
				t.Fatalf("%+v", r)
			}
			f := evidence.Findings[0]
			if f.Grade != test.grade || f.Cause != check.FirewallBypass ||
				!strings.Contains(f.String()+f.Remedy, test.says) {
				t.Errorf("%+v", evidence.Findings)
			}
			if r.Status != f.Grade || (r.Cause == "") != (f.Grade == check.OK) {
				t.Errorf("result %s %s", r.Status, r.Cause)
			}
		})
	}
}

// TestGapsAreTold says what could not be read.
func TestGapsAreTold(t *testing.T) {
	r := others.InterferenceResult(census.Census{Gaps: []string{"legacy iptables: not readable"}}, firewall.Policy{})
	if r.Status != check.OK || !strings.Contains(r.Detail, "legacy iptables: not readable") {
		t.Errorf("%s: %s", r.Status, r.Detail)
	}
}
