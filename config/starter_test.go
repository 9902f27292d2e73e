package config

import (
	"net/netip"
	"strings"
	"testing"
)

// hostFacts are those of a host that shows everything.
func hostFacts() Facts {
	return Facts{
		Hostname: "uds01.corp.example",
		SSHPorts: []uint16{2222, 22, 22},
		Admin:    netip.MustParseAddr("10.20.0.7"),
		Network:  netip.MustParsePrefix("10.20.0.3/24"),
		Resolvers: []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("fe80::1%eth0"),
			netip.MustParseAddr("10.0.0.53")},
	}
}

func TestStarterGolden(t *testing.T) {
	known, err := Starter(hostFacts())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/valid/starter.yaml", known)
	facts := hostFacts()
	facts.Admin, facts.Resolvers = netip.Addr{}, nil
	unknown, err := Starter(facts)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/starter-unknown.yaml", unknown)
}

func TestStarterLetsInTheAdminAlone(t *testing.T) {
	for _, test := range []struct{ admin, want, iface string }{
		{"10.20.0.7", "10.20.0.7/32", ""},
		{"2001:db8::7", "2001:db8::7/128", ""},
		{"::ffff:10.20.0.7", "10.20.0.7/32", ""},
		{"fe80::7%eth1", "fe80::7/128", "eth1"},
	} {
		facts := hostFacts()
		facts.Admin = netip.MustParseAddr(test.admin)
		text, err := Starter(facts)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse("starter.yaml", text, Options{})
		if err != nil {
			t.Fatalf("%s: %v", test.admin, err)
		}
		ways := c.Firewall.Management
		if len(ways) != 1 || len(ways[0].From) != 1 || ways[0].From[0].String() != test.want || ways[0].Any {
			t.Fatalf("%s: %+v", test.admin, ways)
		}
		if got := strings.Join(ways[0].Interfaces, ","); got != test.iface {
			t.Errorf("%s: interfaces %q, want %q", test.admin, got, test.iface)
		}
		if len(ways[0].Ports) != 2 || len(c.Firewall.Allow) != 0 || len(c.Checks.DNS[0].Servers) != 2 ||
			len(c.Notices()) != 0 {
			t.Errorf("%s: %+v", test.admin, c)
		}
	}
}

func TestStarterWithoutAdminIsRefusedUntilFilledIn(t *testing.T) {
	for _, admin := range []string{"", "127.0.0.1", "::1", "0.0.0.0", "224.0.0.1"} {
		var facts Facts
		if admin != "" {
			facts.Admin = netip.MustParseAddr(admin)
		}
		text, err := Starter(facts)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse("starter.yaml", text, Options{})
		if err == nil || !strings.Contains(err.Error(), "FILL IN") {
			t.Fatalf("%q: %v", admin, err)
		}
		filled := strings.Replace(string(text), "from: []  ", "from: [10.20.0.0/24]  ", 1)
		if _, err := Parse("starter.yaml", []byte(filled), Options{}); err != nil {
			t.Errorf("%q, filled in: %v", admin, err)
		}
	}
}

func TestStarterHostnameCannotLeaveItsComment(t *testing.T) {
	facts := hostFacts()
	facts.Hostname = "evil\nfirewall: {mode: off}\r\x1b[2J"
	text, err := Starter(facts)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Parse("starter.yaml", text, Options{}); err != nil || c.Firewall.Mode != Enforce {
		t.Errorf("%v\n%s", err, text)
	}
}
