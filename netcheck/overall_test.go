package netcheck

import (
	"context"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/tlsprobetest"
)

// seen writes endpoints as status:cause, at 192.0.2.1:443 and on.
func seen(t *testing.T, words string) []check.Endpoint {
	t.Helper()
	var endpoints []check.Endpoint
	address := netip.MustParseAddr("192.0.2.1")
	for word := range strings.FieldsSeq(words) {
		status, cause, _ := strings.Cut(word, ":")
		e := check.Endpoint{Address: netip.AddrPortFrom(address, 443).String(), Cause: check.Cause(cause), Detail: "seen"}
		if err := e.Status.UnmarshalText([]byte(status)); err != nil {
			t.Fatal(err)
		}
		endpoints = append(endpoints, e)
		address = address.Next()
	}
	return endpoints
}

func TestOverall(t *testing.T) {
	t.Parallel()
	tests := []struct {
		endpoints string
		status    check.Status
		cause     check.Cause
		detail    string
	}{
		{"ok", check.OK, "", ""},
		{"ok skipped", check.OK, "", ""},
		{"fail:cert.expired", check.Fail, check.CertExpired, "192.0.2.1:443: seen"},
		{"fail:cert.expired skipped", check.Fail, check.CertExpired, "192.0.2.1:443: seen"},
		{"skipped fail:cert.expired", check.Fail, check.CertExpired, "192.0.2.2:443: seen"},
		{"fail:connect.refused fail:connect.refused", check.Fail, check.ConnectRefused,
			"2 of 2 addresses: 192.0.2.1:443: seen"},
		{"ok fail:connect.refused", check.Warn, check.ConnectRefused, "1 of 2 addresses: 192.0.2.2:443: seen"},
		{"warn:cert.expiring ok", check.Warn, check.CertExpiring, "1 of 2 addresses: 192.0.2.1:443: seen"},
		{"warn:cert.expiring fail:tls.timeout", check.Warn, check.TLSTimeout, "1 of 2 addresses: 192.0.2.2:443: seen"},
		{"fail:tls.timeout fail:tls.reset fail:tls.reset", check.Fail, check.TLSReset,
			"3 of 3 addresses: 192.0.2.2:443: seen (and tls.timeout at 192.0.2.1:443)"},
		{"unknown", check.Unknown, "", "192.0.2.1:443: seen"},
		{"unknown ok", check.Unknown, "", "1 of 2 addresses: 192.0.2.1:443: seen"},
		{"skipped", check.Unknown, "", ""},
		{"", check.Unknown, "", ""},
	}
	for _, test := range tests {
		t.Run(test.endpoints, func(t *testing.T) {
			t.Parallel()
			r := overall(seen(t, test.endpoints))
			if r.Status != test.status || r.Cause != test.cause || r.Detail != test.detail {
				t.Errorf("%s %q %q, want %s %q %q", r.Status, r.Cause, r.Detail, test.status, test.cause, test.detail)
			}
		})
	}
}

// TestEvidence: chains that differ between addresses are told apart, and the JSON has no text that acts.
func TestEvidence(t *testing.T) {
	t.Parallel()
	one, two := sign(t, newKey(t), nil), sign(t, newKey(t), nil, asAuthority("evil\x1b\u202e"+strings.Repeat("x", 900)))
	attempts := make([]attempt, 0, 3)
	for i, p := range []*paper{one, two, one} {
		a := attempt{address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 443)}
		a.facts = tlsprobe.Facts{Version: 0x0304, Suite: 0x1301, Certificates: tlsprobetest.Certs(p)}
		attempts = append(attempts, a)
	}
	e := newTLSEvidence(append(attempts, attempt{}))
	if len(e.Addresses) != 2 || len(e.Others) != 1 || len(e.Others[0].Certificates[0].Subject) > 300 {
		t.Errorf("evidence %+v", e)
	}
	raw, err := json.Marshal(e)
	if err != nil || strings.ContainsAny(string(raw), "\x1b\u202e") || !strings.Contains(string(raw), `"key_bits":256`) {
		t.Errorf("%v: %s", err, raw)
	}
	if newTLSEvidence([]attempt{{}}) != nil {
		t.Error("evidence of nothing")
	}
}

// TestShare: time that is left is divided, also where there is none, or no deadline.
func TestShare(t *testing.T) {
	t.Parallel()
	if got := share(context.Background(), 1, 2); got != defaultTimeout/2 {
		t.Errorf("without a deadline %v", got)
	}
	over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if got := share(over, 1, 2); got != 0 {
		t.Errorf("after the deadline %v", got)
	}
	hour := withTimeout(t, time.Hour)
	if got := share(hour, 3, 5); got > 36*time.Minute || got < 35*time.Minute {
		t.Errorf("of an hour %v", got)
	}
}

// TestDistinct: what comes twice is tried once, and no more than 32 in all.
func TestDistinct(t *testing.T) {
	t.Parallel()
	found := []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("192.0.2.1")}
	if got := distinct(found); len(got) != 1 || !got[0].Is4() {
		t.Errorf("%v", got)
	}
	for range 3 * maxAddresses {
		found = append(found, found[len(found)-1].Next())
	}
	if got := distinct(found); len(got) != maxAddresses {
		t.Errorf("%d addresses", len(got))
	}
}
