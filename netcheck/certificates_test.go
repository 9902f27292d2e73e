package netcheck

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/fetch"
	"sallyport/tlsprobe/tlsprobetest"
)

// shelf is a Seen that keeps in memory.
type shelf struct {
	kept   map[string][]SeenCertificate
	stores int
	err    error
}

func (s *shelf) Last(check string) ([]SeenCertificate, error) { return s.kept[check], s.err }

func (s *shelf) Store(check string, certificates []SeenCertificate) error {
	s.stores++
	s.kept[check] = certificates
	return s.err
}

func seenAs(names ...string) []SeenCertificate {
	var all []SeenCertificate
	for _, name := range names {
		all = append(all, SeenCertificate{SHA256: name, Pin: "sha256/" + name[:1], Serial: name, Issuer: "CN=CA"})
	}
	return all
}

// TestChanges goes through what a check is shown over time: each step has the hours since the one before.
func TestChanges(t *testing.T) {
	t.Parallel()
	type step struct {
		hours int
		shown []string
		want  string
	}
	for name, steps := range map[string][]step{
		"the first is no news": {{0, []string{"a1"}, ""}, {1, []string{"a1"}, ""}},
		"renewed with the same key": {{0, []string{"a1"}, ""}, {1, []string{"a2"},
			"the certificate changed: now serial a2 of CN=CA, valid until 0001-01-01, with the same key; before serial a1"},
			{1, []string{"a2"}, ""}},
		"another key": {{0, []string{"a1"}, ""}, {1, []string{"b1"}, "with another key; before serial a1"}},
		"two addresses with two": {
			{0, []string{"a1", "b1"}, ""}, {1, []string{"b1", "a1"}, ""}, {1, []string{"b1"}, ""}, {1, []string{"a1"}, ""},
		},
		"one address of a farm with two": {
			{0, []string{"a1"}, ""}, {1, []string{"b1"}, "now serial b1"}, {1, []string{"a1"}, ""}, {1, []string{"b1"}, ""},
		},
		"a farm that renews one after the other": {
			{0, []string{"a1", "a1"}, ""}, {1, []string{"a2", "a1"}, "now serial a2"}, {1, []string{"a2", "a2"}, ""},
		},
		"the one that went is named": {
			{0, []string{"a1", "b1"}, ""},
			{1, []string{"a2", "b1"}, "serial a2 of CN=CA, valid until 0001-01-01, with the same key; before serial a1"},
		},
		"back to an old one the day after": {
			{0, []string{"a1"}, ""}, {1, []string{"a2"}, "now serial a2"}, {20, []string{"a2"}, ""},
			{20, []string{"a2"}, ""}, {1, []string{"a1"}, "now serial a1"},
		},
		"nothing verified":     {{0, nil, ""}, {0, []string{"a1"}, ""}, {1, nil, ""}, {1, []string{"a1"}, ""}},
		"a pause of two weeks": {{0, []string{"a1"}, ""}, {336, []string{"a1"}, ""}, {1, []string{"a1"}, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept := &shelf{kept: map[string][]SeenCertificate{}}
			c, now := &changes{name: "console", kept: kept}, time.Now()
			for i, s := range steps {
				now = now.Add(time.Duration(s.hours) * time.Hour)
				got := c.news(seenAs(s.shown...), now).String()
				if (got == "") != (s.want == "") || !strings.Contains(got, s.want) {
					t.Errorf("step %d: %q, want …%s…", i, got, s.want)
				}
				if i == 0 { // a restart
					c = &changes{name: "console", kept: kept}
				}
			}
			if kept.stores > 5 {
				t.Errorf("stored %d times", kept.stores)
			}
		})
	}
}

func TestChangesAreBounded(t *testing.T) {
	t.Parallel()
	c, now := &changes{kept: &shelf{kept: map[string][]SeenCertificate{}, err: errors.New("full")}}, time.Now()
	for i := range 100 {
		c.news(seenAs(strings.Repeat("x", i+1)), now.Add(time.Duration(i)*time.Second))
	}
	if len(c.known) != maxSeen || c.known[0].SHA256 != strings.Repeat("x", 100) {
		t.Errorf("%d known", len(c.known))
	}
}

// TestTLSCertificateChanged: a renewed certificate is told once, by an ok that has a cause.
func TestTLSCertificateChanged(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	first, second := []*paper{r.leaf(t), r.intermediate}, []*paper{r.leaf(t), r.intermediate}
	short := []*paper{r.leaf(t, lasting(-oneDay, 14*oneDay)), r.intermediate}
	ports := startNginx(t, map[string][]*paper{"first": first, "second": second, "short": short}, nil)
	target := localTarget(ports["first"], r.roots)
	target.Check, target.Seen = "console", &shelf{kept: map[string][]SeenCertificate{}}
	expectResult(t, target, check.OK, "", "", "tls")
	target.Port = ports["second"]
	result := expectResult(t, target, check.OK, check.CertChanged, "the certificate changed: now serial ", "tls")
	if e := result.Evidence.(*TLSEvidence); e.Changed == nil || e.Changed.Now.SHA256 != e.Certificates[0].SHA256 {
		t.Errorf("the evidence has %+v", e.Changed)
	}
	if !strings.Contains(result.Detail, second[0].Cert.SerialNumber.Text(16)) ||
		!strings.Contains(result.Detail, "before serial "+first[0].Cert.SerialNumber.Text(16)) {
		t.Error(result.Detail)
	}
	expectResult(t, target, check.OK, "", "", "tls")
	target.Port = ports["short"]
	expectResult(t, target, check.Warn, check.CertExpiring, "the certificate changed: now serial ", "tls")
	expectResult(t, target, check.Warn, check.CertExpiring, "", "tls")
}

// TestTLSExpected holds pins and issuers against a real server.
func TestTLSExpected(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	proxy := sign(t, newKey(t), nil, asAuthority("Zscaler Root CA"))
	chain := []*paper{r.leaf(t), r.intermediate}
	inspected := sign(t, newKey(t), proxy, func(c *x509.Certificate) { c.DNSNames = []string{"console.us.code42.com"} })
	ports := startNginx(t, map[string][]*paper{"well": chain, "proxy": {inspected, proxy}}, nil)
	target := localTarget(ports["well"], r.roots)
	target.Pins, target.Issuers = []tlsprobe.Pin{tlsprobe.PinOf(r.root.Cert)}, []string{"test root"}
	expectResult(t, target, check.OK, "", "", "tls")
	target.Pins = []tlsprobe.Pin{{}}
	seen := expectResult(t, target, check.Fail, check.CertPinMismatch, tlsprobe.PinOf(chain[0].Cert).String(), "tls")
	evidence := seen.Evidence.(*TLSEvidence)
	if want := (CertFinding{Status: check.Fail, Cause: check.CertPinMismatch, Role: "server", Subject: "CN=localhost",
		Detail: evidence.Findings[0].Detail}); len(evidence.Findings) != 1 || evidence.Findings[0] != want {
		t.Errorf("findings %+v", evidence.Findings)
	}
	if evidence.Certificates[0].Pin != tlsprobe.PinOf(chain[0].Cert).String() {
		t.Error("the evidence lacks the pin")
	}
	target.Pins, target.Issuers = nil, []string{"DigiCert Inc"}
	expectResult(t, target, check.Fail, check.CertIntercepted, `than the expected "DigiCert Inc"`, "tls")
	target = localTarget(ports["proxy"], r.roots)
	target.ServerName = "console.us.code42.com"
	expectResult(t, target, check.Fail, check.CertIntercepted, `"CN=Zscaler Root CA"`, "tls")
}

// TestTLSFetchesIssuers: what nginx leaves out is named by what its issuer publishes, and the chain is refused all the
// same.
func TestTLSFetchesIssuers(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	folder, plain := t.TempDir(), freePort(t)
	writeFile(t, filepath.Join(folder, "ca.crt"), string(r.intermediate.Cert.Raw))
	lacking := func(path string) []*paper {
		return []*paper{r.leaf(t, func(c *x509.Certificate) {
			c.IssuingCertificateURL = []string{fmt.Sprintf("http://127.0.0.1:%d/%s", plain, path)}
		})}
	}
	ports := startNginx(t, map[string][]*paper{"missing": lacking("ca.crt"), "gone": lacking("gone.crt")}, map[string]string{
		"missing": fmt.Sprintf("listen 127.0.0.1:%d; root %s;", plain, folder),
	})
	asked := 0
	get := func(ctx context.Context, address string) ([]byte, error) {
		asked++
		return fetch.Get(ctx, address, 64<<10)
	}
	target := localTarget(ports["missing"], r.roots)
	expectResult(t, target, check.Fail, check.CertIncompleteChain, `does not send the intermediate certificate`, "tls")
	target.FetchIssuer = get
	expectResult(t, target, check.Fail, check.CertIncompleteChain, `"CN=Test Intermediate" (SHA-256 `, "tls")
	target.Port = ports["gone"]
	expectResult(t, target, check.Fail, check.CertIncompleteChain, "(not fetched: ", "tls")
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// TestTLSWeakSignatures: SHA-1 and MD5 are told wherever somebody is trusted because of them, which is not so in a trusted
// root's own signature.
func TestTLSWeakSignatures(t *testing.T) {
	t.Parallel()
	bySHA1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }
	root := sign(t, newKey(t), nil, asAuthority("Old Root"), bySHA1)
	fresh := sign(t, newKey(t), root, asAuthority("Fresh CA"))
	old := sign(t, newKey(t), root, asAuthority("Old CA"), bySHA1)
	ports := startNginx(t, map[string][]*paper{
		"root": {sign(t, newKey(t), fresh), fresh}, "leaf": {sign(t, newKey(t), fresh, bySHA1), fresh},
		"intermediate": {sign(t, newKey(t), old), old},
	}, nil)
	roots := tlsprobe.NewRoots(root.Cert)
	expectResult(t, localTarget(ports["root"], roots), check.OK, "", "", "tls")
	for name, words := range map[string]string{
		"leaf":         "the certificate is signed with ECDSA-SHA1",
		"intermediate": `the intermediate certificate "CN=Old CA" is signed with ECDSA-SHA1`,
	} {
		expectResult(t, localTarget(ports[name], roots), check.Fail, check.CertWeakSignature, words, "tls")
	}
	// No server sends MD5 to a client that does not offer it (RFC 8446 section 4.4.2.2), as OpenSSL's do not.
	rsa := sign(t, newRSAKey(t, 2048), root, asAuthority("RSA CA"))
	v := tlsprobe.Verify(tlsprobetest.Certs(byMD5(t, rsa), rsa), tlsprobe.VerifyOptions{
		Name: "localhost", Roots: roots, Time: time.Now(),
	})
	if head, _ := v.Headline(); head.Words != "the certificate is signed with MD5-RSA" || len(v.Findings) != 1 {
		t.Errorf("of MD5: %+v", v.Findings)
	}
}

// byMD5 is a certificate that openssl signs with MD5, which crypto/x509 does not do any more.
func byMD5(t *testing.T, by *paper) *paper {
	t.Helper()
	openssl, folder := needProgram(t, "openssl"), t.TempDir()
	caFile, caKey := files(t, by)
	leaf := sign(t, newKey(t), nil)
	_, key := files(t, leaf)
	extensions, request := filepath.Join(folder, "ext"), filepath.Join(folder, "request")
	writeFile(t, extensions, "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n")
	var der []byte
	for _, args := range [][]string{
		{"req", "-new", "-key", key, "-subj", "/CN=localhost", "-out", request},
		{"x509", "-req", "-in", request, "-CA", caFile, "-CAkey", caKey, "-set_serial", "5", "-md5", "-days", "60",
			"-extfile", extensions, "-outform", "DER"},
	} {
		cmd := exec.CommandContext(t.Context(), openssl, args...)
		var err error
		if der, err = cmd.Output(); err != nil {
			t.Fatalf("%v: %v", cmd, err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &paper{Cert: cert, Key: leaf.Key}
}
