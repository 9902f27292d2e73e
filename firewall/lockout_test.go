package firewall

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// peersOf reads peers from words: remote address % interface > local port, and ! where nothing listens on it.
func peersOf(words string) []Peer {
	var list []Peer
	for word := range strings.FieldsSeq(words) {
		from, to, _ := strings.Cut(word, ">")
		to, deaf := strings.CutSuffix(to, "!")
		from, by, _ := strings.Cut(from, "%")
		list = append(list, Peer{
			Interface: by,
			Remote:    netip.AddrPortFrom(netip.MustParseAddr(from), 50000),
			Local:     netip.AddrPortFrom(netip.MustParseAddr("10.20.0.1"), ports(to)[0].First),
			Listened:  !deaf,
		})
	}
	return list
}

func TestLockedOut(t *testing.T) {
	management := func(from, on string) Policy {
		return Policy{Management: []Exception{{Name: "ssh", Ports: ports(on), From: prefixes(from)}}}
	}
	admins := management("10.20.0.0/24", "22")
	web := management("10.20.0.0/24", "22")
	web.Allow = []Exception{{Name: "web", Ports: ports("22-30"), From: prefixes("192.0.2.0/24")}}
	lan := management("10.20.0.0/24", "22")
	lan.Management[0].Interfaces = []string{"lan0", "vlan*"}
	const all = "all of them"
	on2222, on40000 := management("10.20.0.0/24", "2222"), management("10.20.0.0/24", "40000")
	for name, c := range map[string]struct {
		next    Policy
		inForce *Policy
		further string
		peers   string
		want    string
	}{
		"nobody is there":      {next: admins},
		"let in":               {next: admins, peers: "10.20.0.9>22 ::ffff:10.20.0.9>22"},
		"let in by another":    {next: web, peers: "192.0.2.9>22"},
		"out":                  {next: admins, peers: "10.20.1.9>22", want: all},
		"out, mapped":          {next: admins, peers: "::ffff:10.20.1.9>22", want: all},
		"out, IPv6":            {next: admins, peers: "2001:db8::9>22", want: all},
		"one of two":           {next: admins, peers: "10.20.0.9>22 10.20.1.9>22", want: "10.20.1.9>22"},
		"named once":           {next: admins, peers: "10.20.1.9>22 10.20.1.9>22", want: "10.20.1.9>22"},
		"in order":             {next: admins, peers: "10.20.1.10>22 10.20.1.9>22", want: "10.20.1.9>22 10.20.1.10>22"},
		"loopback":             {next: admins, peers: "127.0.0.1>22 ::1>22 ::ffff:127.0.0.1>22"},
		"no management port":   {next: admins, peers: "192.0.2.9>443"},
		"sshd was stopped":     {next: admins, peers: "192.0.2.9>22!", want: all},
		"going out":            {next: on40000, peers: "192.0.2.9>40000!"},
		"in on a high port":    {next: on40000, peers: "192.0.2.9>40000", want: all},
		"a port of next":       {next: on2222, peers: "192.0.2.9>2222", want: all},
		"22 though not named":  {next: on2222, peers: "10.20.0.9>22", want: all},
		"a UDP port is none":   {next: management("10.20.0.0/24", "161/udp"), peers: "192.0.2.9>161"},
		"moved, unknown":       {next: admins, peers: "10.20.0.9>2222"},
		"moved, known":         {next: admins, inForce: &on2222, peers: "10.20.0.9>2222", want: all},
		"moved, live":          {next: admins, further: "2000-3000", peers: "10.20.0.9>2222", want: all},
		"shut out already":     {next: admins, inForce: &admins, peers: "192.0.2.9>22"},
		"shut out only by now": {next: admins, inForce: &web, peers: "192.0.2.9>22", want: all},
		"by its interface":     {next: lan, peers: "10.20.0.9%lan0>22 10.20.0.10%vlan7>22 10.20.0.11>22"},
		"by another interface": {next: lan, peers: "10.20.0.9%lan1>22 10.20.0.10%vla>22", want: all},
		"never by another":     {next: lan, inForce: &lan, peers: "10.20.0.9%lan1>22"},
		"no management at all": {next: Policy{NoManagement: true}, peers: "10.20.0.9>22", want: all},
	} {
		t.Run(name, func(t *testing.T) {
			var further []Ports
			if c.further != "" {
				further = ports(c.further)
			}
			if c.want == all {
				c.want = c.peers
			}
			got := LockedOut(c.next, c.inForce, further, peersOf(c.peers))
			if want := peersOf(c.want); !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// TestLivePorts holds that the ports of a compiled policy are found again in its ruleset.
func TestLivePorts(t *testing.T) {
	exception := func(name string, words ...string) Exception {
		return Exception{Name: name, Ports: ports(words...), From: prefixes("10.20.0.0/24", "2001:db8::/64")}
	}
	live, err := Compile(Policy{
		Management: []Exception{exception("ssh", "22", "2200-2210", "60001/udp")},
		Allow:      []Exception{exception("web", "443"), exception("old", "8080")},
	})
	if err != nil {
		t.Fatal(err)
	}
	next := Policy{Management: []Exception{exception("ssh", "22")}, Allow: []Exception{exception("web", "443")}}
	got := LivePorts(live, next)
	for port, want := range map[uint16]bool{
		22: true, 2205: true, 60001: false,
		443:  false, // next names it as no management
		8080: true,  // next does not say what it was
		23:   false, 547: false,
	} {
		if among(got, TCP, port) != want {
			t.Errorf("port %d: %v, want %v, in %v", port, !want, want, got)
		}
	}
	if got := LivePorts(Ruleset{}, next); len(got) > 0 {
		t.Errorf("of nothing: %v", got)
	}
}
