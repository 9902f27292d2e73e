package others_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/proof/others"
)

func tcp(port uint16) firewall.Ports {
	return firewall.Ports{Protocol: firewall.TCP, First: port, Last: port}
}

func TestPublishedResult(t *testing.T) {
	container := others.Published{
		Protocol: firewall.TCP, Ports: tcp(8080), To: netip.MustParseAddr("172.17.0.2"), Port: 80,
		Table: "ip nat", Chain: "DOCKER", Handle: 7,
	}
	named := func(e firewall.Exception) []firewall.Exception {
		e.Name, e.Ports = "web", []firewall.Ports{{Protocol: firewall.TCP, First: 8000, Last: 8100}}
		return []firewall.Exception{e}
	}
	everybody := named(firewall.Exception{Any: true})
	some := named(firewall.Exception{From: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24")}})
	for name, test := range map[string]struct {
		list   []others.Published
		policy firewall.Policy
		status check.Status
		cause  check.Cause
		detail string
	}{
		"nothing": {nil, firewall.Policy{Forward: firewall.ForwardContainers}, check.OK, "", "no rule of others publishes"},
		"drop": {
			[]others.Published{container}, firewall.Policy{}, check.OK, "", "but dropped here (forward: drop): 8080/tcp to",
		},
		"containers": {
			[]others.Published{container}, firewall.Policy{Forward: firewall.ForwardContainers}, check.Fail,
			check.FirewallExposed, "8080/tcp to 172.17.0.2:80 (ip nat DOCKER)",
		},
		"accept": {
			[]others.Published{container}, firewall.Policy{Forward: firewall.ForwardAccept}, check.Fail,
			check.FirewallExposed, "not named by the policy",
		},
		"named for everybody": {
			[]others.Published{container}, firewall.Policy{Forward: firewall.ForwardContainers, Allow: everybody},
			check.OK, "", "names every port",
		},
		"named for some": {
			[]others.Published{container}, firewall.Policy{Forward: firewall.ForwardContainers, Allow: some},
			check.Warn, check.FirewallExposed, "names the port for some",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := others.PublishedResult(test.list, test.policy)
			if r.Status != test.status || r.Cause != test.cause || !strings.Contains(r.Detail, test.detail) {
				t.Errorf("%s %s: %s", r.Status, r.Cause, r.Detail)
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSysctls(t *testing.T) {
	one := func(name, value string) []others.Sysctl { return []others.Sysctl{{Name: name, Value: value}} }
	for name, test := range map[string]struct {
		list   []others.Sysctl
		policy firewall.Policy
		status check.Status
		says   string // in the detail or in the evidence
	}{
		"forwarding, and none wanted": {
			one("net.ipv4.ip_forward", "1"), firewall.Policy{}, check.OK, "forward chain drops",
		},
		"forwarding, and wanted": {
			one("net.ipv4.ip_forward", "1"), firewall.Policy{Forward: firewall.ForwardAccept},
			check.OK, "leaves it to others",
		},
		"no forwarding": {
			one("net.ipv4.ip_forward", "0"), firewall.Policy{}, check.OK, "agree",
		},
		"no reverse path": {
			one("net.ipv4.conf.all.rp_filter", "0"), firewall.Policy{}, check.OK, "no route back",
		},
		"a loose reverse path": {
			one("net.ipv4.conf.all.rp_filter", "2"), firewall.Policy{}, check.OK, "agree",
		},
		"loose connections": {
			one("net.netfilter.nf_conntrack_tcp_loose", "1"), firewall.Policy{}, check.OK, "middle",
		},
		"liberal windows": {
			one("net.netfilter.nf_conntrack_tcp_be_liberal", "1"), firewall.Policy{}, check.OK, "window",
		},
		"bridges past us": {
			one("net.bridge.bridge-nf-call-iptables", "0"), firewall.Policy{}, check.OK, "does not pass",
		},
		"bridges by us": {
			one("net.bridge.bridge-nf-call-iptables", "1"), firewall.Policy{}, check.OK, "passes the forward",
		},
		"loopback routed": {
			one("net.ipv4.conf.all.route_localnet", "1"), firewall.Policy{}, check.Warn, "127.0.0.0/8",
		},
		"loopback routed on one interface": {
			one("net.ipv4.conf.docker0.route_localnet", "1"), firewall.Policy{}, check.OK, "container engines",
		},
		"source routes": {
			one("net.ipv4.conf.all.accept_source_route", "1"), firewall.Policy{}, check.Warn, "made-up source",
		},
		"redirects": {
			one("net.ipv4.conf.all.accept_redirects", "1"), firewall.Policy{}, check.OK, "the ruleset drops",
		},
		"not there": {
			one("net.ipv4.conf.all.route_localnet", ""), firewall.Policy{}, check.OK, "agree",
		},
		"no number": {
			one("net.ipv4.conf.all.route_localnet", "x"), firewall.Policy{}, check.OK, "not known",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := others.Sysctls(test.list, test.policy)
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != test.status || !strings.Contains(string(text), test.says) {
				t.Errorf("%s", text)
			}
			if (r.Status == check.Warn) != (r.Cause != "" && r.Remedy != "") {
				t.Errorf("cause %q, remedy %q", r.Cause, r.Remedy)
			}
		})
	}
}

// TestReadSysctls reads those of a namespace, not those of the process's.
func TestReadSysctls(t *testing.T) {
	newNamespace(t)
	valueOf := func(name string) string {
		for _, s := range others.ReadSysctls("/proc") {
			if s.Name == name {
				return s.Value
			}
		}
		return ""
	}
	value := func() string { return valueOf("net.ipv4.conf.all.route_localnet") }
	if v := value(); v != "0" {
		t.Errorf("at first: %q", v)
	}
	run(t, "", "sysctl -q -w net.ipv4.conf.all.route_localnet=1")
	if v := value(); v != "1" {
		t.Errorf("set: %q", v)
	}
	if v := valueOf("net.ipv4.conf.lo.route_localnet"); v != "" {
		t.Errorf("of an interface that has it off: %q", v)
	}
	run(t, "", "sysctl -q -w net.ipv4.conf.lo.route_localnet=1")
	if v := valueOf("net.ipv4.conf.lo.route_localnet"); v != "1" {
		t.Errorf("of an interface: %q", v)
	}
	for _, s := range others.ReadSysctls(t.TempDir()) {
		if s.Value != "" {
			t.Errorf("from nowhere: %+v", s)
		}
	}
}
