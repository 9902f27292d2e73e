package verdict

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"sallyport/check"
)

// anything is a result of the values that make rules apply, in combinations that no network would bring about.
func anything(r *rand.Rand, name string) check.Result {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	causes := append(check.Causes(), "", "unknown.dns", "posture.x", "no-cause-at-all")
	result := check.Result{
		Check: name, Kind: pick("dns", "tls", "ldaps", "firewall", "posture", "service", "service", ""),
		Target: pick("console.example A", "console.example:443", "dc1.example:636", "ldaps://dc1.example:636/x", "", ":::"),
		Status: check.Status(r.IntN(8)), Cause: causes[r.IntN(len(causes))], Detail: pick("", "seen"),
		After: pick("", "", "c0", "c1", name, "nobody"),
	}
	if result.Status == check.OK {
		result.Cause = ""
	}
	for range r.IntN(4) {
		result.Endpoints = append(result.Endpoints, check.Endpoint{
			Address: pick("10.0.0.53:53", "10.0.0.36:636", "192.0.2.1:443", "192.0.2.2:636", "[fd77::36]:636", "",
				"dc1:636 (10.0.0.36)", "console.example:443 via 10.0.0.8:3128", "tls://10.0.0.53:853#dns"),
			Status: check.Status(r.IntN(7)), Cause: causes[r.IntN(len(causes))],
		})
	}
	if r.IntN(3) > 0 {
		ahead := time.Duration(r.Int64())
		e := evidence{resolver: pick("", "10.0.0.53:53", "x"), issuer: pick("", "CN=ca"), proxy: pick("", "10.0.0.8:3128"),
			account: pick("", "CN=uds", "cn=UDS"), java: pick("", "/cacerts")}
		if r.IntN(2) > 0 {
			e.ahead = &ahead
		}
		if r.IntN(3) == 0 {
			e.blockers = []string{pick("a table keeps", "b"), "c"}
		}
		for range r.IntN(3) {
			e.meets = append(e.meets, check.Endpoint{Address: pick("10.0.0.36:636", "dc1.example:636 (10.0.0.36)", "x"),
				Status: []check.Status{check.Fail, check.Warn}[r.IntN(2)],
				Cause:  check.Cause(pick("connect.timeout", "posture.outbound.encrypted")), Detail: pick("", "stuck")})
		}
		if r.IntN(2) > 0 {
			e.complains = map[string][]string{"PKIX": {pick("c0", "c1", name)}}
		}
		result.Evidence = e
	}
	return result
}

func someFacts(r *rand.Rand) Facts {
	f := Facts{Known: r.IntN(2) > 0, Default: r.IntN(2) > 0}
	if r.IntN(2) > 0 {
		f.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), {}}
	}
	if r.IntN(2) > 0 {
		f.Interfaces = []Interface{{Name: "eth0", Up: r.IntN(2) > 0, Running: true, Addresses: r.IntN(2)}}
	}
	if r.IntN(2) > 0 {
		f.Gateways = []Gateway{{State: Neighbour(r.IntN(4))}, {Address: netip.MustParseAddr("10.0.0.1")}}
	}
	return f
}

// judgeAnything holds what is true of every verdict.
func judgeAnything(t *testing.T, r *rand.Rand) {
	t.Helper()
	results := make([]check.Result, r.IntN(12))
	for i := range results {
		results[i] = anything(r, fmt.Sprintf("c%d", i))
	}
	facts := someFacts(r)
	v := Of(results, facts)
	explained(t, results, v)
	text := show(v)
	r.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	if again := show(Of(results, facts)); again != text {
		t.Errorf("in one order:\n%s\nin another:\n%s", text, again)
	}
	rank := urgency(v.Status)
	for _, other := range v.Others {
		if urgency(other.Status) < rank {
			t.Errorf("%s comes after %s", other.Status, v.Status)
		}
		rank = urgency(other.Status)
	}
}

// TestEveryVerdict: each failing result belongs to exactly one root, nothing that is well to any, and the order of the
// results does not matter.
func TestEveryVerdict(t *testing.T) {
	for seed := range uint64(3000) {
		judgeAnything(t, rand.New(rand.NewPCG(seed, 1)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestManyResults: a thousand checks that fail together are told in a moment.
func TestManyResults(t *testing.T) {
	var results []check.Result
	for i := range 1000 {
		results = append(results, with(made(fmt.Sprintf("c%d", i), "tls", fmt.Sprintf("h%d.example:443", i), check.Fail,
			check.DNSTimeout), evidence{resolver: fmt.Sprintf("10.0.%d.53:53", i%3)}), skipped(fmt.Sprintf("s%d", i),
			fmt.Sprintf("c%d", i)))
	}
	began := time.Now()
	v := Of(results, Facts{})
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(v.Others) != 2 || len(v.Sentence) > maxText {
		t.Errorf("%d further roots; %s", len(v.Others), v.Sentence)
	}
	explained(t, results, v)
}

// FuzzVerdict judges whatever the bytes make of results: names, targets and labels that no configuration has, too.
func FuzzVerdict(f *testing.F) {
	f.Add("a", "dns", "x A", "10.0.0.53:53", "b", "10.0.0.53:53", uint8(3), uint64(1))
	f.Add("", "", "", "", "", "", uint8(0), uint64(0))
	f.Add("a", "tls", "[::1]:443", "h:1 (::", "a", " via ", uint8(255), uint64(7))
	f.Fuzz(func(t *testing.T, name, kind, target, label, after, resolver string, status uint8, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		results := []check.Result{anything(r, "c0"), anything(r, name), anything(r, name)}
		results[1].Kind, results[1].Target, results[1].After = kind, target, after
		results[1].Status = check.Status(status)
		results[1].Endpoints = append(results[1].Endpoints, check.Endpoint{Address: label, Status: check.Fail})
		results[1].Evidence = evidence{resolver: resolver, issuer: label, proxy: label, account: target, java: name}
		v := Of(results, someFacts(r))
		if v.Sentence == "" || len(v.Sentence) > maxText {
			t.Errorf("the sentence %q", v.Sentence)
		}
		if name != "c0" {
			unique := results[:2]
			explained(t, unique, Of(unique, Facts{}))
		}
	})
}
