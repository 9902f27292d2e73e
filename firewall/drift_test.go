package firewall

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func small() Ruleset {
	drop := rule("a note", Verdict{Kind: Drop})
	accept := rule("", number(TCPDport, 22), Verdict{Kind: Accept})
	return Ruleset{
		Counters: []string{"c_a", "c_b"},
		Sets: []Set{
			{Name: "s", Key: []KeyType{IPv4Addr}, Interval: true, Elements: elements("10.0.0.0/24", "10.2.0.0/24")},
			seenSets()[0],
		},
		Chains: []Chain{
			{Name: "input", Hook: &Hook{Name: "input", Priority: beforeFilter, Drop: true}, Rules: []Rule{drop}},
			{Name: "in", Rules: []Rule{accept, drop}},
		},
	}
}

func elements(words ...string) []Element {
	var list []Element
	for _, word := range words {
		list = append(list, Element{Key: []Value{PrefixAddrs(netip.MustParsePrefix(word))}})
	}
	return list
}

// TestDiff holds what each kind of drift reads like.
func TestDiff(t *testing.T) {
	const head = "--- live table inet sallyport\n+++ wanted\n"
	for name, c := range map[string]struct {
		live func(r *Ruleset)
		want string
	}{
		"none":        {func(*Ruleset) {}, ""},
		"other notes": {func(r *Ruleset) { r.Chains[1].Rules[1].Note, r.Chains[1].Note = "another", "x" }, ""},
		"another order": {func(r *Ruleset) {
			slices.Reverse(r.Chains)
			slices.Reverse(r.Counters)
			slices.Reverse(r.Sets)
		}, ""},
		"elements in another order": {func(r *Ruleset) {
			r.Sets[0].Elements = elements("10.2.0.0/24", "10.0.0.0/24")
		}, ""},
		"packets knocked": {func(r *Ruleset) { r.Sets[1].Elements = elements("192.0.2.1/32") }, ""},
		"dormant":         {func(r *Ruleset) { r.Dormant = true }, head + "@@ table sallyport @@\n- table flags dormant\n"},
		"rule gone": {func(r *Ruleset) { r.Chains[1].Rules = r.Chains[1].Rules[:1] },
			head + "@@ chain in @@\n+ rule drop\n"},
		"rule put in": {func(r *Ruleset) {
			r.Chains[1].Rules = slices.Insert(r.Chains[1].Rules, 1, rule("", Opaque{Text: "queue"}))
		}, head + "@@ chain in @@\n- rule queue\n"},
		"rules swapped": {func(r *Ruleset) { slices.Reverse(r.Chains[1].Rules) },
			head + "@@ chain in @@\n+ rule tcp dport 22 accept\n- rule tcp dport 22 accept\n"},
		"comment": {func(r *Ruleset) { r.Chains[0].Rules[0].Comment = "x" },
			head + "@@ chain input @@\n- rule drop comment \"x\"\n+ rule drop\n"},
		"policy": {func(r *Ruleset) { r.Chains[0].Hook.Drop = false }, head + "@@ chain input @@\n" +
			"- chain input { type filter hook input priority filter - 10; policy accept; }\n" +
			"+ chain input { type filter hook input priority filter - 10; policy drop; }\n"},
		"chain gone": {func(r *Ruleset) { r.Chains = r.Chains[:1] },
			head + "@@ chain in @@\n+ chain in\n+ rule tcp dport 22 accept\n+ rule drop\n"},
		"chain of another": {func(r *Ruleset) {
			r.Chains = append(r.Chains, Chain{Name: "evil", Rules: []Rule{rule("", Verdict{Kind: Accept})}})
		}, head + "@@ chain evil @@\n- chain evil\n- rule accept\n"},
		"element gone": {func(r *Ruleset) { r.Sets[0].Elements = elements("10.0.0.0/24") },
			head + "@@ set s @@\n+ element 10.2.0.0/24\n"},
		"element put in": {func(r *Ruleset) { r.Sets[0].Elements = elements("10.0.0.0/24", "10.1.0.0/24", "10.2.0.0/24") },
			head + "@@ set s @@\n- element 10.1.0.0/24\n"},
		"element widened": {func(r *Ruleset) { r.Sets[0].Elements = elements("10.0.0.0/16", "10.2.0.0/24") },
			head + "@@ set s @@\n- element 10.0.0.0/16\n+ element 10.0.0.0/24\n"},
		"set of another kind": {func(r *Ruleset) { r.Sets[0].Timed, r.Sets[0].Timeout = true, time.Hour },
			head + "@@ set s @@\n- set s { type ipv4_addr; flags interval,timeout; timeout 1h }\n" +
				"+ set s { type ipv4_addr; flags interval }\n"},
		"set gone": {func(r *Ruleset) { r.Sets = r.Sets[1:] },
			head + "@@ set s @@\n+ set s { type ipv4_addr; flags interval }\n" +
				"+ element 10.0.0.0/24\n+ element 10.2.0.0/24\n"},
		"set of another": {func(r *Ruleset) {
			r.Sets = append(r.Sets, Set{Name: "m", Key: []KeyType{Mark}, Foreign: "map"})
		}, head + "@@ set m @@\n- set m { type mark; map }\n"},
		"counters": {func(r *Ruleset) { r.Counters = []string{"c_b", "c_c"} },
			head + "@@ counter c_a @@\n+ counter c_a\n@@ counter c_c @@\n- counter c_c\n"},
	} {
		t.Run(name, func(t *testing.T) {
			live := small()
			c.live(&live)
			drift := Diff(small(), live)
			if got := drift.String(); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			if drift.Empty() != (c.want == "") {
				t.Errorf("Empty is %t", drift.Empty())
			}
		})
	}
}

// TestDiffIsBounded holds that a huge difference is a short text, and not slow to find.
func TestDiffIsBounded(t *testing.T) {
	live := small()
	for i := range 100_000 {
		a := netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
		live.Sets[0].Elements = append(live.Sets[0].Elements, Element{Key: []Value{Addrs{a, a}}})
		live.Chains[1].Rules = append(live.Chains[1].Rules, rule("", number(TCPDport, Number(i)), Verdict{Kind: Accept}))
	}
	text := Diff(small(), live).String()
	if n := strings.Count(text, "\n"); n > 60 {
		t.Errorf("a drift of %d lines", n)
	}
	for _, want := range []string{"@@ set s @@\n- element 11.0.0.0\n", "- … and 99980 more\n", "@@ chain in @@\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestDiffSeesEveryMutation holds that a ruleset does not differ from itself, and does from any that differs in one thing.
func TestDiffSeesEveryMutation(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for name, policy := range goldenPolicies() {
		rules, err := Compile(policy)
		if err != nil {
			t.Fatal(err)
		}
		if drift := Diff(rules, rules); !drift.Empty() {
			t.Fatalf("%s against itself:\n%s", name, drift)
		}
		for range 300 {
			live, err := Compile(policy)
			if err != nil {
				t.Fatal(err)
			}
			what := mutate(r, &live)
			if there, back := Diff(rules, live), Diff(live, rules); what != "" && (there.Empty() || back.Empty()) {
				t.Fatalf("%s: %s goes unseen", name, what)
			}
		}
	}
}

// mutate changes one thing, and says what; empty where the choice left nothing to change.
func mutate(r *rand.Rand, rules *Ruleset) string {
	c := &rules.Chains[r.IntN(len(rules.Chains))]
	s := &rules.Sets[r.IntN(len(rules.Sets))]
	switch r.IntN(10) {
	case 0:
		rules.Dormant = true
		return "dormant"
	case 1:
		rules.Counters = slices.Delete(rules.Counters, 0, 1)
		return "a counter gone"
	case 2:
		s.Name += "x"
		return "a set renamed"
	case 3:
		s.Size++
		return "a set resized"
	case 4:
		if len(s.Elements) > 0 {
			i := r.IntN(len(s.Elements))
			s.Elements = slices.Delete(slices.Clone(s.Elements), i, i+1)
			return "an element gone"
		}
	case 5:
		c.Name += "x"
		return "a chain renamed"
	case 6:
		if c.Hook != nil {
			c.Hook.Priority++
			return "a hook moved"
		}
	case 7:
		if len(c.Rules) > 0 {
			i := r.IntN(len(c.Rules))
			c.Rules = slices.Delete(c.Rules, i, i+1)
			return "a rule gone"
		}
	case 8:
		c.Rules = slices.Insert(c.Rules, r.IntN(len(c.Rules)+1), rule("", Verdict{Kind: Return}))
		return "a rule put in"
	case 9:
		if len(c.Rules) > 0 {
			c.Rules[r.IntN(len(c.Rules))].Comment += "x"
			return "a comment changed"
		}
	}
	return ""
}

// TestDriftIsSafeToPrint holds that names and instructions of a live table that somebody else made up cannot forge a line,
// move a cursor or fill a log.
func TestDriftIsSafeToPrint(t *testing.T) {
	const evil = "x\n+ rule accept\x1b[2J\u202e"
	live := Ruleset{
		Counters: []string{evil}, Sets: []Set{{Name: evil, Key: []KeyType{Mark}, Foreign: strings.Repeat("map", 1000)}},
		Chains: []Chain{{Name: evil, Rules: []Rule{{Comment: evil, Statements: []Statement{Opaque{Text: evil}}}}}},
	}
	d := Diff(Ruleset{}, live)
	if len(d.Changes) != 4 {
		t.Fatalf("%d changes, want 4: %s", len(d.Changes), d)
	}
	for _, c := range d.Changes {
		for _, text := range []string{c.In, c.Text} {
			if len(text) > maxText+3 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%d bytes: %q", len(text), text)
			}
		}
	}
}
