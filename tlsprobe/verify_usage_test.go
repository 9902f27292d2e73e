package tlsprobe

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"strings"
	"testing"
)

// TestVerifyUsage names the authority that may not sign, and why.
func TestVerifyUsage(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, authority("House Root"))
	bound := issue(t, root, authority("Bound CA"), func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"elsewhere.test"}
	})
	_, net10, _ := net.ParseCIDR("10.0.0.0/8")
	barred := issue(t, root, authority("Barred CA"),
		func(c *x509.Certificate) { c.ExcludedIPRanges = []*net.IPNet{net10} })
	short := issue(t, root, authority("Short CA"), func(c *x509.Certificate) { c.MaxPathLenZero = true })
	below := issue(t, short, authority("Below CA"))
	mail := issue(t, root, authority("Mail CA"), func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	})
	crl := issue(t, root, authority("List CA"), func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	odd := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 7}, Critical: true, Value: []byte{5, 0}}
	in10 := func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(10, 1, 2, 3)} }
	encipher := func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }
	tests := []struct {
		name  string
		certs []*issued
		want  string
		words string
	}{
		{"name constraints", []*issued{issue(t, bound), bound}, "usage 0 1", `"CN=Bound CA" may not sign for a name`},
		{"another's address", []*issued{issue(t, barred), barred}, "", ""},
		{"excluded address", []*issued{issue(t, barred, in10), barred}, "usage 0 1",
			`"CN=Barred CA" may not sign for a name`},
		{"path length", []*issued{issue(t, below), below, short}, "usage 0 2", "may have 0 authorities below it, and has 1"},
		{"an authority for mail", []*issued{issue(t, mail), mail}, "usage 0 1", `"CN=Mail CA" may not sign for servers`},
		{"an authority for lists", []*issued{issue(t, crl), crl}, "usage 0 1", "is not for that (key usage)"},
		{"a key for ciphering", []*issued{issue(t, root, encipher)}, "usage 0 0", "not for digital signatures"},
		{"an unknown critical extension", []*issued{issue(t, root, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{odd}
		})}, "usage 0 0", "a critical extension that nobody here knows: 1.3.6.1.4.1.99999.7"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := Verify(certsOf(test.certs...), house1(NewRoots(root.Cert)))
			if test.want == "" {
				expectFindings(t, v, nil)
				return
			}
			expectFindings(t, v, []string{test.want})
			if head, _ := v.Headline(); !strings.Contains(head.Words, test.words) {
				t.Errorf("words %q, want …%s…", head.Words, test.words)
			}
		})
	}
	o := house1(NewRoots(root.Cert))
	o.Deciphers = true
	expectFindings(t, Verify(certsOf(issue(t, root, encipher)), o), nil)
	expectFindings(t, Verify(certsOf(issue(t, root)), o), []string{"usage 0 0"})
}

// TestVerifyFindsAll: one look gives every finding, each with whose it is.
func TestVerifyFindsAll(t *testing.T) {
	t.Parallel()
	staleRoot := issue(t, nil, authority("Stale Root"), valid(-400*day24, -day24))
	staleCA := issue(t, staleRoot, authority("Stale CA"), valid(-400*day24, -2*day24), func(c *x509.Certificate) {
		c.PermittedDNSDomains = []string{"elsewhere.test"}
	})
	leaf := issueFor(t, rsaKey(t, 1024), staleCA, valid(-400*day24, -3*day24), clientsOnly)
	o := VerifyOptions{Name: "other.test", Roots: NewRoots(staleRoot.Cert), Time: now()}
	o.Pins, o.Issuers = []Pin{{}}, []string{"Somebody Else"}
	v := Verify(certsOf(leaf, staleCA), o)
	expectFindings(t, v, []string{
		"expired 0 0", "intercepted 0 -1", "chain-expired 0 -1", "chain-expired 0 1", "pin-mismatch 0 0",
		"name-mismatch 0 0",
		"usage 0 0", "usage 0 1", "weak-key 0 0",
	})
	for _, f := range v.Findings {
		want := map[int]struct {
			role    Role
			subject string
		}{
			0: {RoleServer, "CN=host.test"}, 1: {RoleIntermediate, "CN=Stale CA"}, -1: {RoleRoot, "CN=Stale Root"},
		}[f.Index]
		if f.Role != want.role || f.Subject != want.subject {
			t.Errorf("%s: %s %s, want %v", f.Problem, f.Role, f.Subject, want)
		}
	}
	if len(v.Path) != 3 {
		t.Errorf("a path of %d", len(v.Path))
	}
}

// TestVerifyTakesTheStrongWay: a second way with a weak key does not spoil a good one, however long it lasts.
func TestVerifyTakesTheStrongWay(t *testing.T) {
	t.Parallel()
	good := issue(t, nil, authority("Good Root"))
	weak := issueFor(t, rsaKey(t, 1024), nil, authority("Weak Root"), valid(-day24, 9000*day24))
	bridge := issue(t, good, authority("Bridge"))
	again := issueFor(t, bridge.Key, weak, authority("Bridge"), valid(-day24, 9000*day24))
	leaf := issue(t, bridge, valid(-day24, 8000*day24))
	roots := NewRoots(good.Cert, weak.Cert)
	expectFindings(t, Verify(certsOf(leaf, bridge, again), house1(roots)), nil)
	o := house1(roots)
	o.Pins = []Pin{PinOf(good.Cert)}
	expectFindings(t, Verify(certsOf(leaf, again, bridge), o), nil)
	expectFindings(t, Verify(certsOf(leaf, again), o), []string{"pin-mismatch 0 0", "weak-key 0 -1"})
}

func TestVerifyArrangement(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	leaf := issue(t, h.intermediate)
	for name, test := range map[string]struct {
		sent []*issued
		want []string
	}{
		"twice":    {[]*issued{leaf, h.intermediate, h.intermediate}, []string{"surplus 3 2"}},
		"useless":  {[]*issued{leaf, h.intermediate, h.stranger}, []string{"surplus 3 2"}},
		"disorder": {[]*issued{leaf, h.root, h.intermediate}, []string{"disorder 3 0"}},
	} {
		v := Verify(certsOf(test.sent...), house1(h.roots))
		expectFindings(t, v, test.want)
		if head, found := v.Headline(); found {
			t.Errorf("%s: a note is the headline: %+v", name, head)
		}
	}
}

func TestVerifyNameWords(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, authority("House Root"))
	leaf := issue(t, root, named("*.wild.test", "192.0.2.7", "xn--bcher-kva.test"))
	for name, words := range map[string]string{
		"a.b.wild.test": "the asterisk stands for one label", "wild.test": "the asterisk stands for one label",
		"192.0.2.7":      "stands there as a DNS name",
		"xn--other.test": `not for "xn--other.test" but for "*.wild.test", "192.0.2.7"`,
		"bücher.example": `not for "b\u00fccher.example"`, "bücher.test": "", "BÜCHER.test": "", "x.wild.test": "",
	} {
		v := Verify(certsOf(leaf), VerifyOptions{Name: name, Roots: NewRoots(root.Cert), Time: now()})
		head, found := v.Headline()
		if found != (words != "") || !strings.Contains(head.Words, words) {
			t.Errorf("%s: %q, want …%s…", name, head.Words, words)
		}
	}
	plain := issue(t, root, named())
	v := Verify(certsOf(plain), house1(NewRoots(root.Cert)))
	const words = `the certificate has no subject alternative name; its common name "host.test" does not count`
	if head, _ := v.Headline(); head.Words != words {
		t.Error(head.Words)
	}
}
