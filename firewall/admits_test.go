package firewall_test

import (
	"net/netip"
	"testing"

	"sallyport/firewall"
)

func TestAdmits(t *testing.T) {
	policy := firewall.Policy{
		Management: []firewall.Exception{{
			Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
			From: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24"), netip.MustParsePrefix("2001:db8::/64"),
				netip.MustParsePrefix("fe80::/64")},
		}},
		Allow: []firewall.Exception{{
			Name: "web", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 8000, Last: 8010}}, Any: true,
		}},
	}
	for _, c := range []struct {
		from     string
		protocol firewall.Protocol
		port     uint16
		want     bool
	}{
		{"10.20.0.7", firewall.TCP, 22, true},
		{"2001:db8::7", firewall.TCP, 22, true},
		{"::ffff:10.20.0.7", firewall.TCP, 22, true}, // as a socket of both families has it
		{"fe80::7%eth0", firewall.TCP, 22, true},
		{"10.20.1.7", firewall.TCP, 22, false},
		{"10.20.0.7", firewall.UDP, 22, false},
		{"10.20.0.7", firewall.TCP, 23, false},
		{"192.0.2.1", firewall.TCP, 8010, true},
		{"192.0.2.1", firewall.TCP, 22, false}, // exceptions do not cross
		{"192.0.2.1", firewall.TCP, 8011, false},
	} {
		if got := policy.Admits(netip.MustParseAddr(c.from), c.protocol, c.port); got != c.want {
			t.Errorf("Admits(%s, %d, %d) = %v, want %v", c.from, c.protocol, c.port, got, c.want)
		}
	}
}
