package main

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/config"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
	"sallyport/report/document"
)

// someTallies is what a guard has read at noon.
func someTallies() guard.Tallies {
	root, nobody := uint32(0), uint32(4242)
	to := func(addr string, port uint16, uid *uint32) kernel.Refusal {
		return kernel.Refusal{
			To: netip.MustParseAddr(addr), Protocol: firewall.TCP, Port: port, UID: uid, Packets: 2, Expires: time.Hour,
		}
	}
	return guard.Tallies{
		At: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC), KnockingV4: 7, KnockingV6: 1, RefusedCount: 5,
		Knocks: []kernel.Knock{{
			From: netip.MustParseAddr("192.0.2.66"), Protocol: firewall.UDP, Port: 161, Packets: 3, Bytes: 200,
			Expires: 45 * time.Minute,
		}},
		Refused: []kernel.Refusal{
			to("10.0.0.9", 80, &root), to("10.0.0.9", 443, &root), to("10.0.0.9", 80, &nobody), to("2001:db8::9", 25, nil),
		},
		Barred: []guard.RefusedAddress{
			{Name: "cloud.example", Addr: netip.MustParseAddr("127.0.0.1"), Why: "a loopback address"},
		},
	}
}

// TestTalliesReachTheDocument follows the guard's tallies into the evidence of status, beside what is there.
func TestTalliesReachTheDocument(t *testing.T) {
	if talliesOf(guard.Tallies{}) != nil {
		t.Error("tallies that were never read are told")
	}
	told := talliesOf(someTallies())
	items := withTraffic([]document.Item{
		{Result: check.Result{Check: "tls", Kind: check.KindTLS, Evidence: map[string]any{"version": "TLS 1.3"}}},
		{Result: check.Result{Check: guard.Name, Kind: check.KindFirewall, Evidence: guard.Evidence{Hash: "abc"}}},
	}, trafficOf(told, config.EgressObserve))
	text, err := json.Marshal(items[1].Evidence)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"hash":"abc"`, `"knocking_sources":{"ipv4":7,"ipv6":1}`, `"mode":"observe"`, `"count":5`, `"user":"root"`,
		`"from":"192.0.2.66"`, `"protocol":"udp"`, `"since":"2026-01-02T11:45:00Z"`, `"why":"a loopback address"`,
	} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the evidence lacks %s: %s", part, text)
		}
	}
	if text, _ := json.Marshal(items[0].Evidence); string(text) != `{"version":"TLS 1.3"}` {
		t.Errorf("the evidence of another check: %s", text)
	}
	if open := trafficOf(told, config.EgressOpen); open.Egress != nil || len(open.Knocks) != 1 {
		t.Errorf("where egress is open: %+v", open)
	}
	if kept := knocksOf(told); len(kept) != 1 || kept[0].Packets != 3 || !kept[0].Last.Equal(told.At) {
		t.Errorf("for the history: %+v", kept)
	}
}

// TestEgressIsWrittenAsAPolicy holds that what status writes can be taken into a configuration.
func TestEgressIsWrittenAsAPolicy(t *testing.T) {
	d := document.New(version, "host", time.Now(), []check.Result{{
		Check: guard.Name, Kind: check.KindFirewall, Evidence: trafficOf(talliesOf(someTallies()), config.EgressObserve),
	}})
	var b strings.Builder
	if err := writeEgress(&b, d); err != nil {
		t.Fatal(err)
	}
	const want = `# 4 of 5 ways out that no destination names; delete what is not meant
also:
  - {name: seen-1, to: ["10.0.0.9"], ports: [80/tcp, 443/tcp], users: ["0"]} # 4 packets, of "root"
  - {name: seen-2, to: ["10.0.0.9"], ports: [80/tcp], users: ["4242"]} # 2 packets, of uid 4242
  - {name: seen-3, to: ["2001:db8::9"], ports: [25/tcp]} # 2 packets, of no user
`
	if b.String() != want {
		t.Errorf("%s\nwant:\n%s", b.String(), want)
	}
	got, err := egressFor(t, "\n    mode: observe\n    "+strings.ReplaceAll(b.String(), "\n", "\n    "), "")
	if err != nil || !strings.Contains(got, "\nseen-2: 10.0.0.9/32 80/6 [4242]\n") {
		t.Errorf("as a configuration: %v\n%s", err, got)
	}
	if err := writeEgress(&b, document.New(version, "host", time.Now(), nil)); err == nil {
		t.Error("that nothing is known is no error")
	}
}
