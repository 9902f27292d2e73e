package term

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/report/document"
	"sallyport/report/internal/golden"
)

// withEvidence is a document of status whose firewall result has the evidence.
func withEvidence(evidence any) document.Document {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return document.New("1.2.3", "uds01", at, []check.Result{{
		Check: "firewall", Kind: check.KindFirewall, Target: "inet sallyport", Status: check.OK, Time: at,
		Evidence: evidence,
	}})
}

// busy is much to tell: more sources, ports and ways out than a screen should show.
func busy(mode string) document.Traffic {
	at := time.Date(2026, 1, 2, 2, 30, 0, 0, time.UTC)
	t := document.Traffic{Knocking: &document.Knocking{IPv4: 14, IPv6: 1}}
	for port := range uint16(9) {
		t.Knocks = append(t.Knocks, document.Knock{
			From: netip.MustParseAddr("192.0.2.66"), Protocol: "tcp", Port: 20 + port, Packets: 1000,
			Since: at.Add(-time.Duration(port) * time.Minute),
		})
	}
	t.Knocks = append(t.Knocks,
		document.Knock{From: netip.MustParseAddr("2001:db8::66"), Protocol: "udp", Port: 161, Packets: 100_000, Since: at})
	for i := range 13 {
		t.Knocks = append(t.Knocks, document.Knock{
			From: netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", i)), Protocol: "tcp", Port: 22, Packets: 1, Since: at,
		})
	}
	uid := uint32(997)
	t.Egress = &document.Egress{Mode: mode, Count: 2, Refused: []document.Refusal{
		{
			To: netip.MustParseAddr("10.0.0.9"), Protocol: "udp", Port: 123, UID: &uid, User: "chrony\x1b[2J", Packets: 12,
			Since: at,
		},
		{To: netip.MustParseAddr("2001:db8::9"), Protocol: "tcp", Port: 25, Packets: 1, Since: at},
	}, Barred: []document.Barred{{
		Name: "cloud.example", Address: netip.MustParseAddr("169.254.169.254"),
		Why: "an address of a cloud's metadata service",
	}}}
	return t
}

// TestTraffic shows who knocked and where the host wanted to go, and nothing where there is nothing to show.
func TestTraffic(t *testing.T) {
	for name, d := range map[string]document.Document{
		"traffic-enforce.txt": withEvidence(busy("enforce")),
		"traffic-observe.txt": withEvidence(document.Traffic{Egress: busy("observe").Egress}),
		"traffic-none.txt": withEvidence(document.Traffic{
			Knocking: &document.Knocking{}, Egress: &document.Egress{Mode: "enforce"},
		}),
		"traffic-other.txt": withEvidence(map[string]any{"knocks": "none of ours"}),
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Text(&b, d, Options{Width: 100}); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, name, b.String())
			golden.Shown(t, b.String())
		})
	}
}
