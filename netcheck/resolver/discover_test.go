package resolver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/netcheck/internal/dnsrig"
)

// TestDiscover finds domain controllers at a real server.
func TestDiscover(t *testing.T) {
	t.Parallel()
	rig := dnsrig.Start(t)
	closed := dnsrig.FreePort(t)
	tests := []struct {
		domain   string
		starttls bool
		want     string
		servers  []netip.AddrPort
	}{
		{"links.test", false, "dc1.links.test:636 dc2.links.test:636", nil},
		{"ad.links.test", false, "dc2.links.test:636", nil},
		{"ad.links.test.", true, "dc2.links.test:389", nil},
		{"both.links.test", false, "dc1.links.test:3269", nil}, // the port of its own record
		{"both.links.test", true, "dc2.links.test:389", nil},
		{"off.links.test", false, "dc1.links.test:636", nil}, // no LDAPS of its own
		{"k.test", false, "none: _ldaps._tcp.k.test, _ldap._tcp.dc._msdcs.k.test", nil},
		{"links.test", true, "none: _ldap._tcp.dc._msdcs.links.test", nil},
		{"closed.test", false, "dns.refused", []netip.AddrPort{rig.Bind}},
		{"dead.test", false, "dns.servfail", nil},
		{"links.test", false, "dns.unreachable", []netip.AddrPort{closed}},
		{"links.test", false, "dc1.links.test:636 dc2.links.test:636", []netip.AddrPort{closed, rig.Unbound}},
		{"a..b", false, "dns.nxdomain", nil},
	}
	for _, tt := range tests {
		if tt.servers == nil {
			tt.servers = []netip.AddrPort{rig.Unbound}
		}
		var servers []Server
		for _, s := range tt.servers {
			servers = append(servers, At(s))
		}
		targets, err := Discover(withTimeout(t, 3*time.Second), servers, tt.domain, tt.starttls)
		if got := discovered(targets, err); got != tt.want {
			t.Errorf("%s, starttls %v: %s (%v), want %s", tt.domain, tt.starttls, got, err, tt.want)
		}
	}
}

func discovered(targets []Target, err error) string {
	var words []string
	for _, t := range targets {
		words = append(words, fmt.Sprintf("%s:%d", t.Host, t.Port))
	}
	if none, ok := errors.AsType[*NoServerError](err); ok {
		return "none: " + strings.Join(none.Asked, ", ")
	}
	if failed, ok := errors.AsType[*Error](err); ok {
		return string(failed.Cause)
	}
	return strings.Join(words, " ")
}

// TestOrder draws by hand (RFC 2782, "Usage rules").
func TestOrder(t *testing.T) {
	t.Parallel()
	a, b := Target{Host: "a", Priority: 1, Weight: 0}, Target{Host: "b", Priority: 1, Weight: 3}
	c, d := Target{Host: "c", Priority: 1, Weight: 7}, Target{Host: "d", Priority: 0, Weight: 1}
	tests := []struct {
		draws []int
		want  string
	}{
		{[]int{0, 0, 0, 0}, "dabc"},  // those of weight 0 first, for a draw of 0
		{[]int{1, 10, 1, 0}, "dcba"}, // 10 is the last of 0 + 3 + 7
		{[]int{0, 3, 0, 7}, "dbac"},  // 3 is still b's
		{[]int{0, 4, 0, 1}, "dcab"},  // 4 is c's
		{[]int{0, 1, 7, 0}, "dbca"},  // of what is left, 7 is c's
	}
	for _, tt := range tests {
		drawn := 0
		ordered := Order([]Target{b, c, a, d}, func(n int) int {
			got := tt.draws[drawn]
			drawn++
			if got >= n {
				t.Fatalf("draw %d of %d", got, n)
			}
			return got
		})
		got := ""
		for _, o := range ordered {
			got += o.Host
		}
		if got != tt.want {
			t.Errorf("draws %v: %s, want %s", tt.draws, got, tt.want)
		}
	}
	if got := Order(nil, nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	before := []Target{c, b, a, d}
	Order(before, func(int) int { return 0 })
	if !slices.Equal(before, []Target{c, b, a, d}) {
		t.Errorf("the given targets were moved: %v", before)
	}
}
