package proof

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

func tcpAt(address string) sockets.Listener { return socketAt(sockets.TCP, address) }
func udpAt(address string) sockets.Listener { return socketAt(sockets.UDP, address) }

func socketAt(t sockets.Transport, address string) sockets.Listener {
	at := netip.MustParseAddrPort(address)
	return sockets.Listener{Transport: t, Address: at.Addr(), Port: at.Port()}
}

func on(name string, l sockets.Listener) sockets.Listener {
	l.Interface = name
	return l
}

func v6Only(l sockets.Listener) sockets.Listener {
	l.V6Only = true
	return l
}

func examplePolicy() *firewall.Policy {
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	tcp := func(first, last uint16) []firewall.Ports {
		return []firewall.Ports{{Protocol: firewall.TCP, First: first, Last: last}}
	}
	return &firewall.Policy{
		Ping: true,
		Management: []firewall.Exception{
			{Name: "ssh", Ports: tcp(22, 22), From: prefixes("10.20.0.0/24", "2001:db8::7/128")},
		},
		Allow: []firewall.Exception{
			{Name: "web", Ports: tcp(8000, 8100), Any: true},
			{Name: "six", Ports: tcp(22, 23), From: prefixes("2001:db8:6::/48")},
			{Name: "snmp", Interfaces: []string{"eth0", "ens*"}, From: prefixes("10.20.0.9/32"),
				Ports: []firewall.Ports{{Protocol: firewall.UDP, First: 161, Last: 161}}},
			{Name: "guests", Interfaces: []string{"wlan0"}, Any: true, Ports: tcp(443, 443)},
		},
	}
}

func TestReach(t *testing.T) {
	raw := func(protocol uint16) sockets.Listener {
		return sockets.Listener{Transport: sockets.Raw, Address: netip.IPv4Unspecified(), Port: protocol}
	}
	for _, c := range []struct {
		listener sockets.Listener
		scope    Scope
		who      string
	}{
		{tcpAt("127.0.0.1:22"), ScopeInside, "this host only"},
		{tcpAt("[::1]:22"), ScopeInside, "this host only"},
		{tcpAt("127.0.0.53:53"), ScopeInside, "this host only"},
		{on("lo", tcpAt("0.0.0.0:22")), ScopeInside, "this host only"},
		{tcpAt("[::]:22"), ScopeSome, "ssh: 10.20.0.0/24, 2001:db8::7; six: 2001:db8:6::/48"},
		{tcpAt("0.0.0.0:22"), ScopeSome, "ssh: 10.20.0.0/24"},
		{tcpAt("192.0.2.1:22"), ScopeSome, "ssh: 10.20.0.0/24"},
		{v6Only(tcpAt("[::]:22")), ScopeSome, "ssh: 2001:db8::7; six: 2001:db8:6::/48"},
		{tcpAt("[2001:db8::1]:22"), ScopeSome, "ssh: 2001:db8::7; six: 2001:db8:6::/48"},
		{tcpAt("[2001:db8::1]:23"), ScopeSome, "six: 2001:db8:6::/48"},
		{tcpAt("0.0.0.0:23"), ScopeShut, "nobody"}, // the exception names no IPv4 source
		{tcpAt("0.0.0.0:8000"), ScopeAnyone, "web: anyone"},
		{tcpAt("[::]:8100"), ScopeAnyone, "web: anyone"},
		{tcpAt("0.0.0.0:8101"), ScopeShut, "nobody"},
		{udpAt("0.0.0.0:8000"), ScopeShut, "nobody"}, // another protocol
		{udpAt("0.0.0.0:161"), ScopeSome, "snmp: 10.20.0.9, by eth0, ens*"},
		{on("ens4", udpAt("0.0.0.0:161")), ScopeSome, "snmp: 10.20.0.9, by eth0, ens*"},
		{on("eth1", udpAt("0.0.0.0:161")), ScopeShut, "nobody"},
		{on("wlan0", tcpAt("[::]:443")), ScopeAnyone, "guests: anyone, by wlan0"},
		{on("eth0", tcpAt("[::]:443")), ScopeShut, "nobody"},
		{udpAt("0.0.0.0:68"), ScopeSome, "answers of DHCP servers, from port 67"},
		{udpAt("[fe80::1]:546"), ScopeSome, "answers of DHCPv6 servers on the link"},
		{udpAt("0.0.0.0:546"), ScopeShut, "nobody"},
		{socketAt(sockets.SCTP, "0.0.0.0:22"), ScopeShut, "nobody"},
		{raw(1), ScopeSome, "ICMP errors and pings"},
		{raw(89), ScopeShut, "nobody"},
		{sockets.Listener{Transport: sockets.Packet, Port: 3}, ScopeUnjudged, "every frame, before any rule"},
	} {
		got := Reach([]sockets.Listener{c.listener}, examplePolicy())[0]
		if got.Scope != c.scope || got.Who() != c.who {
			t.Errorf("%s: %s, %q; want %s, %q", Describe(c.listener), got.Scope, got.Who(), c.scope, c.who)
		}
	}
}

// TestReachAgreesWithAdmits asks the policy itself about each source that a way names, and about a stranger.
func TestReachAgreesWithAdmits(t *testing.T) {
	policy := examplePolicy()
	stranger := map[bool]netip.Addr{true: netip.MustParseAddr("198.51.100.7"), false: netip.MustParseAddr("2001:db8:f::7")}
	for port := uint16(1); port < 9000; port++ {
		for _, l := range []sockets.Listener{
			{Transport: sockets.TCP, Address: netip.IPv4Unspecified(), Port: port},
			{Transport: sockets.TCP, Address: netip.IPv6Unspecified(), V6Only: true, Port: port},
		} {
			r := Reach([]sockets.Listener{l}, policy)[0]
			want := policy.Admits(stranger[l.Address.Is4()], firewall.TCP, port)
			if got := r.Scope == ScopeAnyone; got != want {
				t.Errorf("%s: anyone %v, a stranger %v", Describe(l), got, want)
			}
			for _, w := range r.Ways {
				for _, from := range w.From {
					if !policy.Admits(from.Addr(), firewall.TCP, port) {
						t.Errorf("%s: %s is not admitted", Describe(l), from)
					}
				}
			}
		}
	}
}

func TestReachWithoutAPolicy(t *testing.T) {
	for _, r := range Reach([]sockets.Listener{tcpAt("0.0.0.0:22"), tcpAt("127.0.0.1:22")}, nil) {
		if want := map[bool]Scope{true: ScopeInside, false: ScopeUnjudged}[r.Listener.Loopback()]; r.Scope != want {
			t.Errorf("%s: %s, want %s", Describe(r.Listener), r.Scope, want)
		}
	}
}

func TestUnused(t *testing.T) {
	got := Unused([]sockets.Listener{tcpAt("0.0.0.0:22"), tcpAt("[::]:8050"), tcpAt("127.0.0.1:443"), tcpAt("0.0.0.0:161")},
		*examplePolicy())
	if want := []string{"161/udp (snmp)", "443/tcp (guests)"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestListenersVerdict(t *testing.T) {
	shut, named, anyone, inside := tcpAt("0.0.0.0:3306"), tcpAt("0.0.0.0:22"), tcpAt("[::]:8080"), tcpAt("127.0.0.1:631")
	shut.Process = sockets.Process{PID: 7, Name: "my\nsql"}
	for name, c := range map[string]struct {
		listeners []sockets.Listener
		standing  Standing
		status    check.Status
		cause     check.Cause
		says      string
	}{
		"in force": {[]sockets.Listener{shut, named, anyone, inside}, StandingInForce, check.OK, "",
			"4 listening: 1 for this host only, 1 shut, 1 for whom the policy names, 1 for anyone"},
		"nothing": {nil, StandingOpen, check.OK, "", "nothing listens"},
		"missing": {[]sockets.Listener{shut, inside}, StandingOpen, check.Fail, check.FirewallExposed,
			`1 listener answers whoever asks, other rules aside: tcp 0.0.0.0:3306 ("my\\nsql", pid 7)`},
		"missing, two": {
			[]sockets.Listener{shut, named}, StandingOpen, check.Fail, check.FirewallExposed, "2 listeners answer",
		},
		"missing, none that matters": {[]sockets.Listener{anyone, inside}, StandingOpen, check.OK, "", "2 listening"},
		"drifted": {
			[]sockets.Listener{shut}, StandingDrifted, check.Unknown, check.FirewallDrift, "3306",
		},
		"not known": {
			[]sockets.Listener{shut}, StandingUnknown, check.Unknown, check.FirewallNotPermitted, "3306",
		},
	} {
		got := Listeners(sockets.Listening{Sockets: c.listeners}, examplePolicy(), c.standing)
		if got.Status != c.status || got.Cause != c.cause || !strings.Contains(got.Detail, c.says) {
			t.Errorf("%s: %v %s %q, want %v %s %q", name, got.Status, got.Cause, got.Detail, c.status, c.cause, c.says)
		}
		if (got.Status != check.OK) != (got.Remedy != "") {
			t.Errorf("%s: remedy %q", name, got.Remedy)
		}
	}
}

func TestListenersNotes(t *testing.T) {
	found := sockets.Listening{
		Sockets: []sockets.Listener{tcpAt("0.0.0.0:22")}, Unlisted: []sockets.Transport{sockets.SCTP}, Hidden: true,
	}
	got := Listeners(found, examplePolicy(), StandingInForce)
	for _, want := range []string{
		"nothing listens on 8000-8100/tcp (web), 161/udp (snmp), 443/tcp (guests), which the policy",
		"cannot list sockets of sctp", "not permitted to see the processes of others"} {
		if !strings.Contains(got.Detail, want) {
			t.Errorf("%q does not say %q", got.Detail, want)
		}
	}
	off := Listeners(found, nil, StandingOpen)
	e := off.Evidence.(ListenersEvidence)
	if off.Status != check.Fail || len(e.Unused) > 0 || e.Listeners[0].Scope != ScopeUnjudged {
		t.Errorf("without a policy: %+v", off)
	}
}

// TestListenersEvidence holds the keys that a machine reads, the bound, and that no text of a process gets through raw.
func TestListenersEvidence(t *testing.T) {
	l := on("eth0", udpAt("0.0.0.0:161"))
	l.UID, l.Process = 42, sockets.Process{
		PID: 7, Name: "a\x1b[31m", Exe: "/" + strings.Repeat("x", 500), Unit: "x\u202e.service",
	}
	listeners := slices.Repeat([]sockets.Listener{l}, shownListeners+3)
	raw, err := json.Marshal(Listeners(sockets.Listening{Sockets: listeners}, examplePolicy(), StandingInForce).Evidence)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Listeners []map[string]any
		More      int
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Listeners) != shownListeners || got.More != 3 {
		t.Errorf("%d listeners and %d more", len(got.Listeners), got.More)
	}
	first := got.Listeners[0]
	for key, want := range map[string]any{
		"protocol": "udp", "address": "0.0.0.0%eth0:161", "interface": "eth0", "uid": 42.0, "pid": 7.0,
		"process": `a\x1b[31m`, "unit": `x\u202e.service`, "reached_by": "some", "who": "snmp: 10.20.0.9, by eth0, ens*",
		"exe": "/" + strings.Repeat("x", longestText-1) + "...",
	} {
		if first[key] != want {
			t.Errorf("%s: %v, want %v", key, first[key], want)
		}
	}
}
