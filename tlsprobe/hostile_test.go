package tlsprobe

import (
	"crypto/x509"
	"fmt"
	"net"
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
