package tlsprobe

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestVerifyHostileChains: certificates as large and as many as a handshake takes, made to be dear, are judged in a
// fraction of a second, in words that fit a line.
func TestVerifyHostileChains(t *testing.T) {
	t.Parallel()
	many := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("host%d.test", i))
		}
		return names
	}
	root := issue(t, nil, authority("House Root"))
	bound := func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.ExcludedDNSDomains = many(700), many(700)
		for i := range 200 {
			_, network, _ := net.ParseCIDR(fmt.Sprintf("10.%d.0.0/16", i))
			c.ExcludedIPRanges = append(c.ExcludedIPRanges, network)
		}
	}
	chain := []*issued{root}
	for i := range 6 {
		chain = append([]*issued{issue(t, chain[0], authority(fmt.Sprint("CA ", i)), bound)}, chain...)
	}
	leaf := issue(t, chain[0], func(c *x509.Certificate) { c.DNSNames = many(5000) })
	chain = append([]*issued{leaf}, chain...)
	// Authorities of one name with one key, each signed by each: many ways to nowhere.
	key := issue(t, nil, authority("Mesh"))
	mesh := []*issued{issue(t, key)}
	for range 9 {
		mesh = append(mesh, issueFor(t, key.Key, key, authority("Mesh")))
	}
	for name, test := range map[string]struct {
		sent  []*issued
		roots *Roots
	}{
		"bound by a trusted root": {chain, NewRoots(root.Cert)}, "bound by a stranger": {chain, NewRoots(key.Cert)},
		"a mesh of a trusted root": {mesh, NewRoots(key.Cert)}, "a mesh of a stranger": {mesh, NewRoots(root.Cert)},
	} {
		start := time.Now()
		v := Verify(certsOf(test.sent...), house1(test.roots))
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s: judged in %v", name, took)
		}
		for _, f := range v.Findings {
			if len(f.Words) > 2000 || !printable(f.Words) {
				t.Errorf("%s: words %q", name, f.Words)
			}
		}
	}
}

// TestVerifyCostsLittle holds what the dearest chains cost that a server can send: those that made a judge allocate a GiB
// or compute for a third of a second. The bounds are in memory and in comparison, for a loaded machine has no use for
// others.
func TestVerifyCostsLittle(t *testing.T) {
	root, stranger := issue(t, nil, authority("House Root")), issue(t, nil, authority("Stranger"))
	wordy := func(c *x509.Certificate) {
		c.Subject = pkix.Name{Organization: make([]string, 20_000), CommonName: strings.Repeat("n", 5_000)}
	}
	bound := func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"elsewhere.test", "nowhere.test"} }
	chain := []*issued{root}
	for i := range MaxCertificates - 4 {
		chain = append([]*issued{issue(t, chain[0], authority(fmt.Sprint("CA ", i)), bound)}, chain...)
	}
	many := make([]string, 10_000)
	for i := range many {
		many[i] = fmt.Sprintf("%x", i)
	}
	chain = append([]*issued{issue(t, chain[0], named(many...))}, chain...)
	absurd := issue(t, root, wordy)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v := Verify(certsOf(absurd), house1(NewRoots(stranger.Cert)))
	runtime.ReadMemStats(&after)
	if kib := (after.TotalAlloc - before.TotalAlloc) >> 10; kib > 1<<10 || len(v.Findings) == 0 {
		t.Errorf("a subject of 20000 attributes: %d KiB, %d findings", kib, len(v.Findings))
	}
	certs, trusted := certsOf(chain...), house1(NewRoots(root.Cert))
	alone := quickest(func() {
		below := x509.NewCertPool()
		for _, cert := range certs[1:] {
			below.AddCert(cert)
		}
		_, _ = certs[0].Verify(x509.VerifyOptions{Roots: trusted.Roots.pool, Intermediates: below, CurrentTime: now()})
	})
	if ours := quickest(func() { Verify(certs, trusted) }); ours > 8*alone {
		t.Errorf("names bound by 28 authorities: %s, and %s by crypto/x509 alone", ours, alone)
	}
}

// quickest is the least time of ten: that of a busy machine's quiet moment.
func quickest(run func()) time.Duration {
	least := time.Hour
	for range 10 {
		began := time.Now()
		run()
		least = min(least, time.Since(began))
	}
	return least
}

// TestSubjectText holds that names are as the library writes them, up to what no real one has.
func TestSubjectText(t *testing.T) {
	usual := issue(t, nil, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "a, \"b\"", Organization: []string{"O1", "O2"}, Country: []string{"DE"}}
		for _, dc := range []string{"example", "corp", "emea"} {
			c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{
				Type: []int{0, 9, 2342, 19200300, 100, 1, 25}, Value: dc})
		}
	})
	if got, want := SubjectText(usual.Cert), usual.Cert.Subject.String(); got != want || IssuerText(usual.Cert) != want {
		t.Errorf("%q, want %q", got, want)
	}
	absurd := issue(t, nil, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: strings.Repeat("n", 5_000), Organization: make([]string, 100)}
	})
	if got := SubjectText(absurd.Cert); len(got) > maxAttribute+200 || strings.Count(got, "O=") != maxAttributes {
		t.Errorf("%q", got)
	}
}

// TestKeyTooLarge holds that nothing is computed with a key larger than crypto/tls takes, such as a fetched certificate may
// have.
func TestKeyTooLarge(t *testing.T) {
	product := new(big.Int).Lsh(big.NewInt(1), 199_999)
	product.SetBit(product, 0, 1)
	huge := &x509.Certificate{PublicKeyAlgorithm: x509.RSA, PublicKey: &rsa.PublicKey{N: product, E: 1<<31 - 1}}
	leaf := issueFor(t, rsaKey(t, 2048), nil).Cert
	signature := make([]byte, 25_000)
	_, _ = rand.Read(signature)
	leaf.Signature = signature
	began := time.Now()
	if signed(leaf, huge) || time.Since(began) > time.Second {
		t.Errorf("taken for signed, after %s", time.Since(began))
	}
}
