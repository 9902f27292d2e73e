package tlsprobe

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// p7c packs certificates as authorities publish several: a certs-only CMS message, by openssl.
func p7c(t testing.TB, of ...*issued) []byte {
	t.Helper()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.pem"), filepath.Join(dir, "out.p7c")
	if err := os.WriteFile(in, pemOf(of...), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "openssl", "crl2pkcs7", "-nocrl", "-certfile", in, "-outform", "DER",
		"-out", out)
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestComplete(t *testing.T) {
	t.Parallel()
	openssl(t)
	at := func(path string) change {
		return func(c *x509.Certificate) {
			c.IssuingCertificateURL = []string{"ldap:///cn=CA", "https://ca.test/no", "http://ca.test/" + path}
		}
	}
	root, stranger := issue(t, nil, authority("House Root")), issue(t, nil, authority("Stranger Root"))
	upper := issue(t, root, authority("Upper CA"))
	lower := issue(t, upper, authority("Lower CA"), at("upper.p7c"))
	stale := issue(t, root, authority("Stale CA"), valid(-400*day24, -day24))
	foreign := issue(t, stranger, authority("Foreign CA"), at("stranger"))
	published := map[string][]byte{
		"http://ca.test/lower":     lower.Cert.Raw,
		"http://ca.test/upper.p7c": p7c(t, stranger, upper, root),
		"http://ca.test/stale":     pemOf(stale), "http://ca.test/foreign": foreign.Cert.Raw,
		"http://ca.test/stranger": stranger.Cert.Raw, "http://ca.test/text": []byte("<html>not found</html>"),
	}
	var asked int
	fetch := func(_ context.Context, address string) ([]byte, error) {
		asked++
		if data, ok := published[address]; ok {
			return data, nil
		}
		return nil, errors.New("HTTP status 404")
	}
	tests := []struct {
		name  string
		sent  []*issued
		want  []string
		words string
		asked int
	}{
		{"well", []*issued{issue(t, lower), lower, upper}, nil, "", 0},
		{"one is missing", []*issued{issue(t, lower, at("lower")), upper}, []string{"incomplete-chain 0 0"},
			`"CN=Lower CA" (SHA-256 ` + fingerprint(lower.Cert) + `), which its issuer publishes at "http://ca.test/lower"`,
			1},
		{"two are missing", []*issued{issue(t, lower, at("lower"))}, []string{"incomplete-chain 0 0"}, `"CN=Lower CA"`, 2},
		{"the missing one has expired", []*issued{issue(t, stale, at("stale"))},
			[]string{"incomplete-chain 0 0", "chain-expired 0 -1"}, `"CN=Stale CA"`, 1},
		{"it leads to a stranger", []*issued{issue(t, foreign, at("foreign"))},
			[]string{"incomplete-chain 0 0", "unknown-authority 0 -1"}, `"CN=Foreign CA"`, 2},
		{"the issuer is a stranger", []*issued{issue(t, stranger, at("stranger"))}, []string{"unknown-authority 0 -1"},
			`"CN=Stranger Root"`, 1},
		{"nothing is there", []*issued{issue(t, upper, at("gone"))}, []string{"incomplete-chain 0 0"},
			"(not fetched: HTTP status 404)", 1},
		{"something else is there", []*issued{issue(t, upper, at("text"))}, []string{"incomplete-chain 0 0"},
			"(not fetched: what is published there is no certificate)", 1},
		{"another is there", []*issued{issue(t, upper, at("stranger"))}, []string{"incomplete-chain 0 0"},
			"(not fetched: what is published there did not sign the certificate)", 1},
	}
	for _, test := range tests {
		asked = 0
		v := Complete(t.Context(), certsOf(test.sent...), house1(NewRoots(root.Cert)), fetch)
		expectFindings(t, v, test.want)
		if head, _ := v.Headline(); !strings.Contains(head.Words, test.words) || asked != test.asked {
			t.Errorf("%s: asked %d times, words %q; want %d, …%s…", test.name, asked, head.Words, test.asked, test.words)
		}
	}
}

// FuzzParseIssuers reads what anybody may publish: whatever it is, no certificate comes of it that is not in it.
func FuzzParseIssuers(f *testing.F) {
	root := issue(f, nil, authority("House Root"))
	f.Add(root.Cert.Raw)
	f.Add(pemOf(root))
	if _, err := exec.LookPath("openssl"); err == nil {
		f.Add(p7c(f, root, root))
	}
	f.Add([]byte{0x30, 0x80, 0x06, 0x00, 0xa0, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, err := parseIssuers(data)
		if (err == nil) != (len(certs) > 0) || len(certs) > maxBundle || slices.Contains(certs, nil) {
			t.Errorf("%d certificates, %v", len(certs), err)
		}
	})
}
