package tlsprobe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// house is a root, an intermediate and the ways to misuse them.
type house struct {
	root, intermediate, stranger *issued
	roots                        *Roots
}

func newHouse(t testing.TB) house {
	t.Helper()
	root := issue(t, nil, authority("House Root"))
	return house{
		root: root, intermediate: issue(t, root, authority("House Intermediate")),
		stranger: issue(t, nil, authority("Stranger Root")), roots: NewRoots(root.Cert),
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	leaf := issue(t, h.intermediate)
	staleIntermediate := issue(t, h.root, authority("Stale Intermediate"), valid(-400*day24, -30*day24))
	staleRoot := issue(t, nil, authority("Stale Root"), valid(-400*day24, -day24))
	otherIntermediate := issue(t, h.stranger, authority("Other Issuing CA"))
	nobody := issue(t, h.root, func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "No Authority"} })
	self := issue(t, nil)
	aia := func(c *x509.Certificate) { c.IssuingCertificateURL = []string{"http://aia.test/ca.crt"} }
	plain := issue(t, nil, authority("Plain CA"))

	tests := []struct {
		name  string
		certs []*issued
		roots *Roots
		host  string
		want  []string // problem, severity, index
	}{
		{"well", []*issued{leaf, h.intermediate}, h.roots, "host.test", nil},
		{"well with the root sent", []*issued{leaf, h.intermediate, h.root}, h.roots, "host.test", nil},
		{"well in the wrong order", []*issued{leaf, h.root, h.intermediate}, h.roots, "host.test",
			[]string{"disorder 3 0"}},
		{"well with an expired bystander", []*issued{leaf, h.intermediate, staleIntermediate}, h.roots, "host.test",
			[]string{"surplus 3 2"}},
		{"well, trusted by itself", []*issued{self}, NewRoots(self.Cert), "host.test", nil},
		{"nothing", nil, h.roots, "host.test", []string{"no-certificate 0 -1"}},
		{"no roots at all", []*issued{leaf, h.intermediate}, nil, "host.test", []string{"unknown-authority 0 1"}},
		{"expired", []*issued{issue(t, h.intermediate, valid(-90*day24, -time.Hour)), h.intermediate}, h.roots,
			"host.test", []string{"expired 0 0"}},
		{"not yet valid", []*issued{issue(t, h.intermediate, valid(time.Hour, day24*90)), h.intermediate}, h.roots,
			"host.test", []string{"not-yet-valid 0 0"}},
		{"wrong name", []*issued{leaf, h.intermediate}, h.roots, "other.test", []string{"name-mismatch 0 0"}},
		{"no name to compare", []*issued{leaf, h.intermediate}, h.roots, "", []string{"name-mismatch 0 0"}},
		{"common name alone", []*issued{issue(t, h.intermediate, named()), h.intermediate}, h.roots, "host.test",
			[]string{"name-mismatch 0 0"}},
		{"self-signed", []*issued{self}, h.roots, "host.test", []string{"self-signed 0 0"}},
		{"self-signed, expired, another's", []*issued{issue(t, nil, valid(-9*day24, -day24))}, h.roots, "other.test",
			[]string{"expired 0 0", "self-signed 0 0", "name-mismatch 0 0"}},
		{"unknown root sent", []*issued{issue(t, h.stranger), h.stranger}, h.roots, "host.test",
			[]string{"unknown-authority 0 1"}},
		{"unknown root left out", []*issued{issue(t, h.stranger)}, h.roots, "host.test",
			[]string{"unknown-authority 0 0"}},
		{"unknown root of a plain name", []*issued{issue(t, plain)}, h.roots, "host.test",
			[]string{"unknown-authority 0 0"}},
		{"unknown root behind an intermediate", []*issued{issue(t, otherIntermediate), otherIntermediate}, h.roots,
			"host.test", []string{"unknown-authority 0 1"}},
		{"missing intermediate by its name", []*issued{leaf}, h.roots, "host.test", []string{"incomplete-chain 0 0"}},
		{"missing intermediate by its AIA", []*issued{issue(t, plain, aia)}, h.roots, "host.test",
			[]string{"incomplete-chain 0 0"}},
		{"expired intermediate", []*issued{issue(t, staleIntermediate), staleIntermediate}, h.roots, "host.test",
			[]string{"chain-expired 0 1"}},
		{"expired root", []*issued{issue(t, staleRoot)}, NewRoots(staleRoot.Cert), "host.test",
			[]string{"chain-expired 0 -1"}},
		{"for clients only", []*issued{issue(t, h.root, clientsOnly)}, h.roots, "host.test", []string{"usage 0 0"}},
		{"signed by a server", []*issued{issue(t, nobody), nobody}, h.roots, "host.test", []string{"usage 0 1"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := Verify(certsOf(test.certs...), VerifyOptions{Name: test.host, Roots: test.roots, Time: now()})
			expectFindings(t, v, test.want)
		})
	}
}

func clientsOnly(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

func expectFindings(t *testing.T, v Verdict, want []string) {
	t.Helper()
	var got []string
	for _, f := range v.Findings {
		got = append(got, fmt.Sprintf("%s %d %d", f.Problem, f.Severity, f.Index))
		if f.Words == "" {
			t.Errorf("no words for %s", f.Problem)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q (%+v)", got, want, v.Findings)
	}
	fatal := slices.ContainsFunc(v.Findings, func(f Finding) bool { return f.Severity == Fatal })
	if !v.Judged || v.Trusted() == fatal {
		t.Errorf("judged %t, trusted %t, fatal %t", v.Judged, v.Trusted(), fatal)
	}
}

func TestVerifyExpiring(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, authority("House Root"))
	short := issue(t, root, authority("Short Intermediate"), valid(-day24, 5*day24))
	tests := []struct {
		name string
		left time.Duration
		by   *issued
		want []string
	}{
		{"80 days", 80 * day24, root, nil},
		{"exactly the warning", 21 * day24, root, nil},
		{"20 days", 20 * day24, root, []string{"expiring 2 0"}},
		{"3 days", 3 * day24, root, []string{"expiring 1 0"}},
		{"the last second", 0, root, []string{"expiring 1 0"}},
		{"one second past", -time.Second, root, []string{"expired 0 0"}},
		{"an intermediate first", 10 * day24, short, []string{"expiring 1 1", "expiring 2 0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			leaf := issue(t, test.by, valid(-day24, test.left))
			v := Verify(certsOf(leaf, test.by), VerifyOptions{
				Name: "host.test", Roots: NewRoots(root.Cert), Time: now(), Warn: 21 * day24, Fail: 7 * day24,
			})
			expectFindings(t, v, test.want)
		})
	}
}

// TestVerifyTakesTheBetterWay: an authority that is signed by two roots is trusted as long as the better one lasts.
func TestVerifyTakesTheBetterWay(t *testing.T) {
	t.Parallel()
	old := issue(t, nil, authority("Old Root"), valid(-900*day24, 3*day24))
	fresh := issue(t, nil, authority("New Root"))
	bridge := issue(t, old, authority("Bridge"))
	again := issueFor(t, bridge.Key, fresh, authority("Bridge"))
	leaf := issue(t, bridge)
	both := VerifyOptions{
		Name: "host.test", Roots: NewRoots(old.Cert, fresh.Cert), Time: now(), Warn: 21 * day24, Fail: 7 * day24,
	}
	expectFindings(t, Verify(certsOf(leaf, bridge, again), both), nil)
	expectFindings(t, Verify(certsOf(leaf, again, bridge), both), nil)
	both.Roots = NewRoots(old.Cert)
	expectFindings(t, Verify(certsOf(leaf, bridge, again), both), []string{"expiring 1 -1"})
}

func TestVerifyStrength(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	weakRSA := rsaKey(t, 1024)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaRoot := issueFor(t, rsaKey(t, 2048), nil, authority("RSA Root"))
	expectFindings(t, Verify(certsOf(issueFor(t, weakRSA, h.root)), house1(h.roots)), []string{"weak-key 0 0"})
	expectFindings(t, Verify(certsOf(issueFor(t, p224, h.root)), house1(h.roots)), []string{"weak-key 0 0"})
	expectFindings(t, Verify(certsOf(issueFor(t, rsaKey(t, 2048), rsaRoot)), house1(NewRoots(rsaRoot.Cert))), nil)
	sha1 := issue(t, rsaRoot, func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSA })
	weak := *sha1.Cert
	weak.SignatureAlgorithm = x509.MD5WithRSA // crypto/x509 makes no such certificate any more
	expectFindings(t, Verify([]*x509.Certificate{&weak}, house1(NewRoots(rsaRoot.Cert))), []string{"weak-signature 0 0"})
	dsaCert := *sha1.Cert
	dsaCert.PublicKey, dsaCert.PublicKeyAlgorithm = nil, x509.DSA
	expectFindings(t, Verify([]*x509.Certificate{&dsaCert}, house1(NewRoots(rsaRoot.Cert))), []string{"weak-key 0 0"})
}

func house1(roots *Roots) VerifyOptions {
	return VerifyOptions{Name: "host.test", Roots: roots, Time: now()}
}

func TestVerifyNames(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, authority("House Root"))
	leaf := issue(t, root, func(c *x509.Certificate) {
		c.DNSNames = []string{"host.test", "*.wild.test"}
		c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 7), net.ParseIP("2001:db8::7")}
	})
	for name, ok := range map[string]bool{
		"host.test": true, "HOST.test.": true, "a.wild.test": true, "a.b.wild.test": false, "wild.test": false,
		"192.0.2.7": true, "::ffff:192.0.2.7": true, "192.0.2.8": false, "2001:db8::7": true, "2001:DB8:0::7": true,
		"2001:db8::7%eth0": true, "2001:db8::8": false,
	} {
		v := Verify(certsOf(leaf), VerifyOptions{Name: name, Roots: NewRoots(root.Cert), Time: now()})
		if v.Trusted() != ok {
			t.Errorf("%s: trusted %t, want %t", name, v.Trusted(), ok)
		}
	}
}

func TestVerifyEscapesWhatCertificatesSay(t *testing.T) {
	t.Parallel()
	evil := "\x1b[31m\u202egnp.evil\n<0>" + strings.Repeat("x", 500)
	root := issue(t, nil, authority(evil))
	leaf := issue(t, root, func(c *x509.Certificate) {
		c.Subject.CommonName = evil
		c.DNSNames = slices.Repeat([]string{"a.test"}, 300)
	})
	v := Verify(certsOf(leaf, root, root), VerifyOptions{
		Name: evil, Time: now(), Expected: Expected{Pins: []Pin{{}}, Issuers: slices.Repeat([]string{evil + "s"}, 99)},
	})
	if len(v.Findings) < 5 {
		t.Fatalf("findings %+v", v.Findings)
	}
	for _, f := range v.Findings {
		if len(f.Words) > 2000 || !printable(f.Words) || len(f.Subject) > 2000 || !printable(f.Subject) {
			t.Errorf("words %q, subject %q", f.Words, f.Subject)
		}
	}
}

func TestRelatedOrganisation(t *testing.T) {
	t.Parallel()
	domain := pkix.Name{CommonName: "corp-DC1-CA", ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: []int{0, 9, 2342, 19200300, 100, 1, 25}, Value: "corp"},
	}}
	root := issue(t, nil, authority("Top"), func(c *x509.Certificate) { c.Subject.Organization = []string{"House Ltd"} })
	corp := issue(t, nil, authority("x"), func(c *x509.Certificate) { c.Subject = domain })
	roots := NewRoots(root.Cert, corp.Cert)
	if !roots.related(pkix.Name{Organization: []string{"House Ltd"}}) || !roots.related(corp.Cert.Subject) {
		t.Error("the organisation of a trusted authority is not known")
	}
	if roots.related(pkix.Name{CommonName: "x"}) || roots.related(pkix.Name{Organization: []string{"House"}}) {
		t.Error("another organisation is taken for a trusted one")
	}
}
