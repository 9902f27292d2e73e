package tlsprobe

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
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
	forged := *well[0]
	forged.Raw = slices.Clone(forged.Raw)
	forged.Raw[len(forged.Raw)-1] ^= 1
	if Judge([]*x509.Certificate{&forged, well[1]}, house1(h.roots)); h.roots.memory.size() > 2 {
		t.Error("a forged chain is told by the memory of the true one")
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

// TestMemorySaysWhatVerifySays holds, over random chains, names, options, stores and times, asked in any order, that what
// comes from memory is what would be found anew.
func TestMemorySaysWhatVerifySays(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	h := newHouse(t)
	short := issue(t, h.root, authority("House Intermediate"), valid(-5*day24, 30*day24))
	bridge := issueFor(t, h.intermediate.Key, h.stranger, authority("House Intermediate"), valid(3*day24, 60*day24))
	leaves := []*issued{
		issue(t, h.intermediate), issue(t, short), issue(t, h.intermediate, valid(-2*day24, 9*day24)),
		issue(t, h.intermediate, named("host.test", "other.test")), issue(t, h.stranger), issue(t, nil),
	}
	above := []*issued{h.intermediate, short, bridge, h.root, h.stranger}
	stores := []*Roots{h.roots, NewRoots(h.root.Cert), NewRoots(h.stranger.Cert), NewRoots(h.root.Cert, h.stranger.Cert),
		nil}
	pins := []Pin{PinOf(leaves[0].Cert), PinOf(h.stranger.Cert)}
	trusted := 0
	for range 4000 {
		sent := []*issued{leaves[random.IntN(len(leaves))]}
		for range random.IntN(3) {
			sent = append(sent, above[random.IntN(len(above))])
		}
		o := VerifyOptions{
			Name: []string{"host.test", "other.test"}[random.IntN(2)], Roots: stores[random.IntN(len(stores))],
			Time: now().Add(time.Duration(random.IntN(120)-20) * day24),
			Warn: time.Duration(random.IntN(3)) * 10 * day24, Fail: time.Duration(random.IntN(2)) * 25 * day24,
		}
		o.Public, o.Deciphers = random.IntN(2) == 0, random.IntN(9) == 0
		if random.IntN(3) == 0 {
			o.Pins = pins[random.IntN(2):][:1]
		}
		if random.IntN(3) == 0 {
			o.Issuers = []string{[]string{"House Root", "Stranger Root"}[random.IntN(2)]}
		}
		got, want := Judge(certsOf(sent...), o), Verify(certsOf(sent...), o)
		if got.Trusted() {
			trusted++
		}
		if got.Trusted() != want.Trusted() || !reflect.DeepEqual(got.Findings, want.Findings) {
			t.Fatalf("seed %d: %+v from memory, %+v anew", seed, got, want)
		}
	}
	if trusted < 100 || stores[0].memory.size()+stores[3].memory.size() < 10 {
		t.Errorf("only %d trusted: nothing was held", trusted)
	}
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
