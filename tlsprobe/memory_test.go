package tlsprobe

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func (m *memory) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.kept)
}

func TestMemoryRemembersOnlyTheGood(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	well := certsOf(issue(t, h.intermediate), h.intermediate)
	huge := issue(t, h.intermediate, func(c *x509.Certificate) {
		c.DNSNames = slices.Repeat([]string{"host.test"}, maxRememberedBytes/8)
	})
	for name, test := range map[string]struct {
		certs []*x509.Certificate
		o     VerifyOptions
	}{
		"another name":       {well, VerifyOptions{Name: "other.test", Roots: h.roots, Time: now()}},
		"expired":            {well, VerifyOptions{Name: "host.test", Roots: h.roots, Time: now().Add(99 * day24)}},
		"about to expire":    {well, VerifyOptions{Name: "host.test", Roots: h.roots, Time: now(), Warn: 90 * day24}},
		"incomplete":         {well[:1], house1(h.roots)},
		"none":               {nil, house1(h.roots)},
		"with a fetched one": {well, VerifyOptions{Name: "host.test", Roots: h.roots, Time: now(), Fetched: well}},
		"too large to keep":  {certsOf(huge, h.intermediate), house1(h.roots)},
		"another issuer": {well, VerifyOptions{
			Name: "host.test", Roots: h.roots, Time: now(), Expected: Expected{Issuers: []string{"x"}},
		}},
	} {
		if Judge(test.certs, test.o); h.roots.memory.size() != 0 {
			t.Fatalf("%s: kept", name)
		}
	}
	first := Judge(well, house1(h.roots))
	again := Judge(well, house1(h.roots))
	if h.roots.memory.size() != 1 || !again.Trusted() || &first.Path[0] != &again.Path[0] {
		t.Errorf("%d kept, %+v", h.roots.memory.size(), again)
	}
	if Judge(well, VerifyOptions{Name: "host.test", Roots: NewRoots(h.stranger.Cert), Time: now()}).Trusted() ||
		Judge(well, VerifyOptions{Name: "host.test", Time: now()}).Trusted() {
		t.Error("another store trusts what this one remembers")
	}
	for severity, soon := range map[Severity]VerifyOptions{Minor: {Warn: 90 * day24}, Grave: {Fail: 90 * day24}} {
		soon.Name, soon.Roots, soon.Time = "host.test", h.roots, now()
		if head, found := Judge(well, soon).Headline(); !found || head.Severity != severity {
			t.Errorf("with another threshold: %+v", head)
		}
	}
}

// TestMemoryTellsCertificatesApart: one that is as long as one that is remembered, and differs in its name or its signature
// alone, is judged by itself.
func TestMemoryTellsCertificatesApart(t *testing.T) {
	t.Parallel()
	root := issueFor(t, rsaKey(t, 2048), nil, authority("RSA Root")) // whose signatures are all of one length
	like := func(name string) change {
		return func(c *x509.Certificate) { c.SerialNumber, c.DNSNames = big.NewInt(1000), []string{name} }
	}
	key := rsaKey(t, 2048)
	well, other := issueFor(t, key, root, like("host.test")).Cert, issueFor(t, key, root, like("hosu.test")).Cert
	raw := slices.Clone(well.Raw)
	raw[len(raw)-1] ^= 1
	forged, err := x509.ParseCertificate(raw)
	if err != nil || len(other.Raw) != len(well.Raw) {
		t.Fatalf("%d and %d bytes, %v", len(other.Raw), len(well.Raw), err)
	}
	o := house1(NewRoots(root.Cert))
	for i, cert := range []*x509.Certificate{well, other, forged, well} {
		if got, want := Judge([]*x509.Certificate{cert}, o).Trusted(), cert == well; got != want {
			t.Errorf("certificate %d: trusted %t", i, got)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m memory
	for i := range 3 * maxRemembered {
		m.keep(fmt.Sprint(i), remembered{from: now(), until: now()})
	}
	if _, ok := m.recall([]byte(fmt.Sprint(3*maxRemembered-1)), now()); !ok || m.size() != maxRemembered {
		t.Errorf("%d kept, the last one %t", m.size(), ok)
	}
}

// TestMemorySaysWhatVerifySays holds, over random chains, names, options, stores and times, asked in any order and by two
// at once, that what comes from memory is what would be found anew.
func TestMemorySaysWhatVerifySays(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	w := newWorldOfChains(t)
	var workers sync.WaitGroup
	var trusted atomic.Int32
	for worker := range uint64(2) {
		workers.Go(func() {
			random := rand.New(rand.NewPCG(seed, worker))
			for range 1500 {
				sent, o := w.any(random)
				for _, o := range []VerifyOptions{o, w.another(random, o)} {
					got, want := Judge(sent, o), Verify(sent, o)
					if got.Trusted() {
						trusted.Add(1)
					}
					if got.Trusted() != want.Trusted() || !slices.Equal(got.Findings, want.Findings) {
						t.Errorf("seed %d: %+v from memory, %+v anew", seed, got, want)
						return
					}
				}
			}
		})
	}
	workers.Wait()
	if trusted.Load() < 100 || w.stores[0].memory.size()+w.stores[3].memory.size() < 10 {
		t.Errorf("only %d trusted: nothing was held", trusted.Load())
	}
}

// worldOfChains is what chains, and judgements of them, are drawn from.
type worldOfChains struct {
	leaves, above []*issued
	stores        []*Roots
	pins          []Pin
}

func newWorldOfChains(t *testing.T) worldOfChains {
	t.Helper()
	h := newHouse(t)
	short := issue(t, h.root, authority("House Intermediate"), valid(-5*day24, 30*day24))
	bridge := issueFor(t, h.intermediate.Key, h.stranger, authority("House Intermediate"), valid(3*day24, 60*day24))
	w := worldOfChains{
		leaves: []*issued{
			issue(t, h.intermediate), issue(t, short), issue(t, h.intermediate, valid(-2*day24, 9*day24)),
			issue(t, h.intermediate, named("host.test", "other.test")), issue(t, h.stranger), issue(t, nil),
		},
		above: []*issued{h.intermediate, short, bridge, h.root, h.stranger},
		stores: []*Roots{
			h.roots, NewRoots(h.root.Cert), NewRoots(h.stranger.Cert), NewRoots(h.root.Cert, h.stranger.Cert), nil,
		},
	}
	w.pins = []Pin{PinOf(w.leaves[0].Cert), PinOf(h.stranger.Cert)}
	return w
}

func (w worldOfChains) any(random *rand.Rand) ([]*x509.Certificate, VerifyOptions) {
	sent := []*issued{w.leaves[random.IntN(len(w.leaves))]}
	for range random.IntN(3) {
		sent = append(sent, w.above[random.IntN(len(w.above))])
	}
	o := VerifyOptions{
		Name: []string{"host.test", "other.test"}[random.IntN(2)], Roots: w.stores[random.IntN(len(w.stores))],
		Time: now().Add(time.Duration(random.IntN(120)-20) * day24),
		Warn: time.Duration(random.IntN(3)) * 10 * day24, Fail: time.Duration(random.IntN(2)) * 25 * day24,
	}
	o.Public, o.Deciphers = random.IntN(2) == 0, random.IntN(9) == 0
	if random.IntN(3) == 0 {
		o.Pins = w.pins[random.IntN(2):][:1]
	}
	if random.IntN(3) == 0 {
		o.Issuers = []string{[]string{"House Root", "Stranger Root"}[random.IntN(2)]}
	}
	return certsOf(sent...), o
}

// another is a judgement that differs in one thing.
func (w worldOfChains) another(random *rand.Rand, o VerifyOptions) VerifyOptions {
	_, drawn := w.any(random)
	switch random.IntN(8) {
	case 0:
		o.Name = drawn.Name
	case 1:
		o.Roots = drawn.Roots
	case 2:
		o.Time = drawn.Time
	case 3:
		o.Warn = drawn.Warn
	case 4:
		o.Fail = drawn.Fail
	case 5:
		o.Deciphers = !o.Deciphers
	case 6:
		o.Pins = w.pins[random.IntN(2):][:1]
	default:
		o.Issuers = []string{"Nobody"}
	}
	return o
}

func BenchmarkVerify(b *testing.B) {
	h := newHouse(b)
	certs, o := certsOf(issue(b, h.intermediate), h.intermediate), house1(h.roots)
	b.Run("anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Verify(certs, o)
		}
	})
	b.Run("from memory", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Judge(certs, o)
		}
	})
}
