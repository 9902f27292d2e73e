package guard_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// outward is a policy that lets out to names, and the ruleset for it.
func outward(t *testing.T, names ...string) (firewall.Policy, firewall.Ruleset) {
	t.Helper()
	p := firewall.Policy{
		Ping: true,
		Management: []firewall.Exception{{
			Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
			From: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24")},
		}},
		Egress: firewall.Egress{Mode: firewall.EgressEnforce, To: []firewall.Destination{{
			Name: "web", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 443, Last: 443}}, Names: names,
		}}},
	}
	r, err := firewall.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return p, r
}

func leads(name string, addrs ...string) guard.Answer {
	a := guard.Answer{Name: name}
	for _, addr := range addrs {
		a.Addresses = append(a.Addresses, guard.Address{Addr: netip.MustParseAddr(addr), TTL: time.Hour})
	}
	return a
}

// letsOut is the addresses that the kernel lets out now, with their sets.
func letsOut(t *testing.T, live *kernel.Conn) []string {
	t.Helper()
	dump, err := live.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, l := range dump.Learned() {
		out = append(out, fmt.Sprintf("%s %s", l.Set, l.Addr))
	}
	slices.Sort(out)
	return out
}

// guarding is a guard of the policy in a namespace of the test's own.
func guarding(t *testing.T, p firewall.Policy, r firewall.Ruleset) (*guard.Guard, *kernel.Conn) {
	t.Helper()
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	if err := g.Put(t.Context(), r, true); err != nil {
		t.Fatal(err)
	}
	if err := g.Know(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return g, live
}

func learn(t *testing.T, g *guard.Guard, answers ...guard.Answer) []guard.RefusedAddress {
	t.Helper()
	refused, err := g.Learn(t.Context(), answers)
	if err != nil {
		t.Fatal(err)
	}
	return refused
}

// TestGuardLearns holds that what is learned is in the kernel, is no drift, and is there after whatever becomes of the
// ruleset.
func TestGuardLearns(t *testing.T) {
	p, r := outward(t, "cloud.example")
	g, live := guarding(t, p, r)
	refused := learn(t, g, leads("cloud.example", "192.0.2.1", "2001:db8::1", "169.254.169.254"),
		leads("evil.example", "192.0.2.66"))
	if len(refused) != 1 || refused[0].Addr != netip.MustParseAddr("169.254.169.254") {
		t.Errorf("refused: %v", refused)
	}
	want := []string{"name_web_4 192.0.2.1", "name_web_6 2001:db8::1"}
	ok := func(when string, want []string) {
		t.Helper()
		if got := g.Look(t.Context()); got.Result.Status != check.OK {
			t.Errorf("%s: %v %s", when, got.Result.Status, got.Result.Detail)
		}
		if got := letsOut(t, live); !slices.Equal(got, want) {
			t.Errorf("%s these are let out: %q, want %q", when, got, want)
		}
	}
	ok("learned", want)
	for _, spoil := range [][]string{
		{"flush", "ruleset"}, {"flush", "chain", "inet", "sallyport", "outbound"},
		{"insert", "rule", "inet", "sallyport", "outbound", "accept"},
	} {
		nft(t, spoil...)
		if got := g.Look(t.Context()).Result; got.Status == check.OK {
			t.Errorf("after %q: %s", spoil, got.Detail)
		}
		ok(strings.Join(spoil, " "), want)
	}
	next, rules := outward(t, "cloud.example", "vault.example")
	if err := g.Put(t.Context(), rules, true); err != nil {
		t.Fatal(err)
	}
	ok("after a new policy", want)
	if err := g.Know(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	learn(t, g, leads("vault.example", "192.0.2.9"))
	ok("and a new name", []string{"name_web_4 192.0.2.1", "name_web_4 192.0.2.9", "name_web_6 2001:db8::1"})
	if err := g.Know(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	ok("without it again", want)
}

// TestGuardKeepsNames holds that nobody else adds to what is let out, nor takes from it.
func TestGuardKeepsNames(t *testing.T) {
	for name, c := range map[string]struct{ nft, says string }{
		"added": {"add element inet sallyport name_web_4 { 198.51.100.66 timeout 1h }", "has too much 198.51.100.66"},
		"taken": {"delete element inet sallyport name_web_4 { 192.0.2.1 }", "lacks 192.0.2.1"},
		"empty": {"flush set inet sallyport name_web_4", "lacks 192.0.2.1"},
		"added for good": {"add element inet sallyport name_web_4 { 198.51.100.66 }",
			`has too much the element "198.51.100.66"`},
	} {
		t.Run(name, func(t *testing.T) {
			p, r := outward(t, "cloud.example")
			g, live := guarding(t, p, r)
			learn(t, g, leads("cloud.example", "192.0.2.1"))
			nft(t, strings.Fields(c.nft)...)
			report := g.Look(t.Context())
			got := report.Result
			if got.Cause != check.FirewallRepaired || !strings.Contains(got.Detail, c.says) || report.Repairs != 1 {
				t.Errorf("%s, %d repairs: %s", got.Cause, report.Repairs, got.Detail)
			}
			if got, want := letsOut(t, live), []string{"name_web_4 192.0.2.1"}; !slices.Equal(got, want) {
				t.Errorf("let out: %q, want %q", got, want)
			}
			if r := g.Look(t.Context()).Result; r.Status != check.OK {
				t.Errorf("then: %v %s", r.Status, r.Detail)
			}
		})
	}
}

// TestGuardAdoptsWhatWasLearned starts a second guard over what the first one left: names lead where they led until it was
// told anew, and no longer.
func TestGuardAdoptsWhatWasLearned(t *testing.T) {
	p, r := outward(t, "cloud.example")
	first, live := guarding(t, p, r)
	learn(t, first, leads("cloud.example", "192.0.2.1", "192.0.2.2"))
	second := guard.New(live, slog.New(slog.DiscardHandler))
	if err := second.Put(t.Context(), r, true); err != nil {
		t.Fatal(err)
	}
	if err := second.Know(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	both := []string{"name_web_4 192.0.2.1", "name_web_4 192.0.2.2"}
	if got := letsOut(t, live); !slices.Equal(got, both) {
		t.Errorf("after the start: %q, want %q", got, both)
	}
	learn(t, second, leads("cloud.example", "192.0.2.2"))
	if r := second.Look(t.Context()).Result; r.Status != check.OK || !slices.Equal(letsOut(t, live), both) {
		t.Errorf("at first: %s: %q", r.Detail, letsOut(t, live))
	}
	second.BeganLongAgo()
	if r := second.Look(t.Context()).Result; r.Status != check.OK {
		t.Errorf("what nobody needs any more is taken for a change of somebody's: %s", r.Detail)
	}
	if got, want := letsOut(t, live), []string{"name_web_4 192.0.2.2"}; !slices.Equal(got, want) {
		t.Errorf("later: %q, want %q", got, want)
	}
}
