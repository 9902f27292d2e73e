package firewall_test

import (
	"net/netip"
	"testing"

	"sallyport/firewall"
)

func TestIntrudes(t *testing.T) {
	admits := func(from string, first uint16) firewall.Policy {
		return firewall.Policy{Management: []firewall.Exception{{
			Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: first, Last: first}},
			From: []netip.Prefix{netip.MustParsePrefix(from)},
		}}}
	}
	ssh := admits("10.20.0.0/24", 22)
	for name, test := range map[string]struct {
		local, remote string
		listened      bool
		want          bool
	}{
		"a stranger":                        {"10.0.0.1:22", "192.0.2.9:5000", true, true},
		"a stranger by IPv6":                {"[2001:db8::1]:22", "[2001:db8::9]:5000", true, true},
		"an admin":                          {"10.0.0.1:22", "10.20.0.9:5000", true, false},
		"an admin at another port":          {"10.0.0.1:80", "10.20.0.9:5000", true, true},
		"an admin in IPv6 form":             {"10.0.0.1:22", "[::ffff:10.20.0.9]:5000", true, false},
		"of a listener that is gone":        {"10.0.0.1:22", "192.0.2.9:45000", false, true},
		"loopback":                          {"127.0.0.1:80", "127.0.0.1:5000", true, false},
		"begun by the host":                 {"10.0.0.1:40000", "192.0.2.9:443", false, false},
		"begun by the host, a low port":     {"10.0.0.1:2222", "192.0.2.9:443", false, false},
		"an NFS client":                     {"10.0.0.1:700", "192.0.2.9:2049", false, false},
		"an NFS client's lock manager":      {"10.0.0.1:700", "192.0.2.9:45000", false, false},
		"a listener at an ephemeral port":   {"10.0.0.1:40000", "192.0.2.9:443", true, true},
		"nobody listens, an ephemeral port": {"10.0.0.1:40000", "192.0.2.9:45000", false, false},
	} {
		p := firewall.Peer{
			Local: netip.MustParseAddrPort(test.local), Remote: netip.MustParseAddrPort(test.remote),
			Listened: test.listened,
		}
		if got := p.Intrudes(ssh); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
		if p.Intrudes() {
			t.Errorf("%s: intrudes on no policy", name)
		}
		if p.Intrudes(ssh, admits("0.0.0.0/0", 22), admits("::/0", 22)) && p.Local.Port() == 22 {
			t.Errorf("%s: intrudes, though one of the policies lets it in", name)
		}
	}
}
