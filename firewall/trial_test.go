package firewall

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func beside4Test(t testing.TB, committed, candidate Ruleset, within time.Duration) Ruleset {
	t.Helper()
	r, err := Beside(committed, candidate, within)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func compile4Test(t testing.TB, p Policy) Ruleset {
	t.Helper()
	r, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGoldenTrial pins the text of some trials, and has nft itself accept each.
func TestGoldenTrial(t *testing.T) {
	policies := goldenPolicies()
	for name, pair := range map[string][2]Ruleset{
		"trial-many":       {compile4Test(t, policies["manage"]), compile4Test(t, policies["many"])},
		"trial-to-forward": {compile4Test(t, policies["manage"]), compile4Test(t, policies["forward"])},
		"trial-to-drop":    {compile4Test(t, policies["forward"]), compile4Test(t, policies["manage"])},
		"trial-of-open":    {{}, compile4Test(t, policies["shut"])},
	} {
		t.Run(name, func(t *testing.T) {
			r := beside4Test(t, pair[0], pair[1], 90*time.Second)
			file := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(file, []byte(r.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if r.String() != string(want) {
				t.Errorf("the text is not that of %s (go test -update writes it):\n%s", file, r)
			}
			nftChecks(t, r.String())
			nftChecks(t, r.Script())
			if r.PolicyHash() != pair[0].PolicyHash() || r.TrialHash() != pair[1].PolicyHash() || r.TrialHash() == "" {
				t.Errorf("hashes %q and %q", r.PolicyHash(), r.TrialHash())
			}
		})
	}
}

// TestTrialJudges is the idea of a trial: with elements in the set, the table judges each packet as the candidate alone
// does, and without, as the committed one alone does. Sixty pairs of random policies, each with some hundred packets.
func TestTrialJudges(t *testing.T) {
	const pairs, packets = 60, 150
	random := rand.New(rand.NewPCG(1, 2))
	differ := 0
	for range pairs {
		committed, candidate := compile4Test(t, randomPolicy(random)), compile4Test(t, randomPolicy(random))
		if random.IntN(8) == 0 {
			committed = Ruleset{}
		}
		both := beside4Test(t, committed, candidate, time.Minute)
		for range packets {
			p := randomPacket(random)
			old, next := judge(committed, p, false), judge(candidate, p, false)
			if got := judge(both, p, false); got != old {
				t.Fatalf("without elements %+v is judged %v, alone %v:\n%s\n%s", p, got, old, both, committed)
			}
			if got := judge(both, p, true); got != next {
				t.Fatalf("on trial %+v is judged %v, alone %v:\n%s\n%s", p, got, next, both, candidate)
			}
			if old != next {
				differ++
			}
		}
	}
	if differ < pairs*packets/20 {
		t.Errorf("only %d of %d packets are judged differently: the test tells little", differ, pairs*packets)
	}
}

// TestTrialOfOtherPolicies judges by base chains that Compile does not make: another policy than the committed one's, and
// rules that return.
func TestTrialOfOtherPolicies(t *testing.T) {
	base := func(drop bool, rules ...Rule) Ruleset {
		return Ruleset{Chains: []Chain{
			{Name: "input", Hook: &Hook{Name: "input", Drop: drop}, Rules: rules},
			{Name: "empty"},
		}}
	}
	verdict := func(kind VerdictKind) Rule {
		return rule("", number(TCPDport, 22), Verdict{Kind: kind, Chain: "empty"})
	}
	for _, committed := range []Ruleset{base(true), base(false), {}} {
		for _, drop := range []bool{true, false} {
			for _, kind := range []VerdictKind{Accept, Drop, Jump, Goto, Return} {
				first := verdict(kind)
				if kind == Goto {
					first = rule("", Verdict{Kind: Goto, Chain: "empty"})
				}
				candidate := base(drop, first, rule("", Verdict{Kind: Drop}))
				both := beside4Test(t, committed, candidate, time.Minute)
				for _, port := range []uint16{22, 23} {
					p := packet{hook: "input", v6: true, protocol: TCP, port: port}
					if got, want := judge(both, p, true), judge(candidate, p, false); got != want {
						t.Errorf("%v of port %d over policy drop %v: %v, want %v:\n%s", kind, port, drop, got, want, both)
					}
					if got, want := judge(both, p, false), judge(committed, p, false); got != want {
						t.Errorf("not on trial: %v, want %v:\n%s", got, want, both)
					}
				}
			}
		}
	}
}

func TestBesideRefuses(t *testing.T) {
	good := compile4Test(t, goldenPolicies()["manage"])
	moved := compile4Test(t, goldenPolicies()["manage"])
	for i, c := range moved.Chains {
		if c.Hook != nil && c.Name == chainInput {
			moved.Chains[i].Hook = &Hook{Name: chainInput, Priority: 7, Drop: true}
		}
	}
	some := Ruleset{Chains: []Chain{{Name: "input", Hook: &Hook{Name: "input"}, Rules: []Rule{
		rule("", number(TCPDport, 22), Verdict{Kind: Goto, Chain: "empty"}),
	}}, {Name: "empty"}}}
	for says, pair := range map[string]struct {
		committed, candidate Ruleset
		within               time.Duration
	}{
		"a trial of 9ms: want 10ms to 24h0m0s":     {good, good, 9 * time.Millisecond},
		"a trial of 24h0m0.001s: want 10ms":        {good, good, 24*time.Hour + time.Millisecond},
		"a dormant ruleset cannot be on trial":     {Ruleset{Dormant: true}, good, time.Minute},
		"a trial cannot stand beside a trial":      {good, beside4Test(t, good, good, time.Minute), time.Minute},
		"a trial takes no goto of some packets":    {Ruleset{}, some, time.Minute},
		"the base chain input stands elsewhere in": {good, moved, time.Minute},
	} {
		_, err := Beside(pair.committed, pair.candidate, pair.within)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
}

// TestDiffPassesByWhatExpires holds that what expires is no difference, and that what stays is one.
func TestDiffPassesByWhatExpires(t *testing.T) {
	r := compile4Test(t, goldenPolicies()["manage"])
	long, short := beside4Test(t, r, r, time.Hour), beside4Test(t, r, r, time.Second)
	if d := Diff(long, short); !d.Empty() {
		t.Errorf("%s", d)
	}
	for i, s := range short.Sets {
		if s.Name == TrialSet {
			short.Sets[i].Elements = []Element{{Key: []Value{NFProtoIPv4}}}
		}
	}
	if d := Diff(long, short); !strings.Contains(d.String(), "- element 2") {
		t.Errorf("an element that stays: %s", d)
	}
}

func randomPolicy(random *rand.Rand) Policy {
	p := Policy{NoManagement: true, Ping: random.IntN(2) == 0, Forward: Forward(random.IntN(2))}
	for _, name := range []string{"a", "b", "c"}[:random.IntN(4)] {
		e := Exception{Name: name, Any: random.IntN(4) == 0}
		first := uint16(1 + random.IntN(8))
		e.Ports = []Ports{{
			Protocol: []Protocol{TCP, UDP}[random.IntN(2)], First: first, Last: first + uint16(random.IntN(3)),
		}}
		if !e.Any {
			e.From = []netip.Prefix{netip.PrefixFrom(randomSource(random, random.IntN(2) == 0), 24)}
		}
		if random.IntN(4) == 0 {
			p.Management = append(p.Management, e)
		} else {
			p.Allow = append(p.Allow, e)
		}
	}
	return p
}

func randomSource(random *rand.Rand, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr([]string{"2001:db8::1", "2001:cb8::1"}[random.IntN(2)])
	}
	return netip.MustParseAddr([]string{"10.0.0.1", "10.0.1.1", "192.0.2.1"}[random.IntN(3)])
}

func randomPacket(random *rand.Rand) packet {
	hooks := []string{"prerouting", "input", "input", "input", "forward", "output"}
	p := packet{hook: hooks[random.IntN(len(hooks))], v6: random.IntN(2) == 0}
	p.from = randomSource(random, p.v6)
	p.protocol = []Protocol{TCP, UDP}[random.IntN(2)]
	p.port = uint16(1 + random.IntN(12))
	if random.IntN(8) == 0 {
		p.icmp = 8
		if p.v6 {
			p.icmp = 128
		}
	}
	return p
}
