package tlsprobe

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPinIsOpenSSLs: the pin is the one that RFC 7469 appendix A has openssl compute.
func TestPinIsOpenSSLs(t *testing.T) {
	t.Parallel()
	openssl(t)
	leaf := issue(t, nil)
	file := write1(t, filepath.Join(t.TempDir(), "leaf.pem"), pemOf(leaf))
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `openssl x509 -in "$0" -pubkey -noout | `+
		`openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | openssl base64 -A`, file).Output()
	if err != nil || "sha256/"+string(out) != PinOf(leaf.Cert).String() {
		t.Errorf("%s, %v; want %s", out, err, PinOf(leaf.Cert))
	}
}

func openssl(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err == nil {
		return
	}
	if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
		t.Fatal("openssl is not installed")
	}
	t.Skip("openssl is not installed")
}

func TestVerifyExpected(t *testing.T) {
	t.Parallel()
	org := func(c *x509.Certificate) { c.Subject.Organization = []string{"House Ltd"} }
	root := issue(t, nil, authority("House Root"), org)
	middle := issue(t, root, authority("House CA"))
	leaf := issue(t, middle)
	pins := func(of ...*issued) Expected {
		var e Expected
		for _, one := range of {
			e.Pins = append(e.Pins, PinOf(one.Cert))
		}
		return e
	}
	stranger := issue(t, nil)
	tests := []struct {
		name     string
		expected Expected
		want     []string
		words    string
	}{
		{"the server's pin", pins(leaf), nil, ""},
		{"the intermediate's pin", pins(stranger, middle), nil, ""},
		{"the root's pin", pins(root), nil, ""},
		{"another's pin", pins(stranger), []string{"pin-mismatch 0 0"},
			PinOf(leaf.Cert).String() + " of the certificate, " + PinOf(middle.Cert).String() + ` of the intermediate`},
		{"the issuer", Expected{Issuers: []string{"nobody", "house ca"}}, nil, ""},
		{"the organisation of the root", Expected{Issuers: []string{"House Ltd"}}, nil, ""},
		{"another issuer", Expected{Issuers: []string{"DigiCert", "House"}}, []string{"intercepted 0 -1"},
			`than the expected "DigiCert" or "House" vouches for the server: "CN=House CA", "CN=House Root,O=House Ltd"`},
		{"the server's own name", Expected{Issuers: []string{"host.test"}}, []string{"intercepted 0 -1"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := house1(NewRoots(root.Cert))
			o.Expected = test.expected
			v := Verify(certsOf(leaf, middle), o)
			expectFindings(t, v, test.want)
			if head, _ := v.Headline(); !strings.Contains(head.Words, test.words) {
				t.Errorf("words %q, want …%s…", head.Words, test.words)
			}
		})
	}
	o := VerifyOptions{Name: "host.test", Time: now(), Expected: Expected{Issuers: []string{"House"}, Pins: []Pin{{}}}}
	expectFindings(t, Verify(certsOf(leaf), o), []string{"intercepted 0 0", "unknown-authority 0 0", "pin-mismatch 0 0"})
	expectFindings(t, Verify(certsOf(stranger), o), []string{"intercepted 0 0", "self-signed 0 0", "pin-mismatch 0 0"})
}

// TestInspectors knows authorities of TLS-inspecting products by the names that they come with.
func TestInspectors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    pkix.Name
		product string
	}{
		{pkix.Name{CommonName: "Zscaler Intermediate Root CA (zscalerthree.net)", Organization: []string{"Zscaler Inc."}},
			"zscaler"},
		{pkix.Name{CommonName: "ca.acme.goskope.com", Organization: []string{"Acme"}}, "goskope"},
		{pkix.Name{CommonName: "FG100FTK20000000", Organization: []string{"Fortinet"}}, "fortinet"},
		{pkix.Name{CommonName: "Cisco Umbrella Root CA", Organization: []string{"Cisco"}}, "cisco umbrella"},
		{pkix.Name{CommonName: "mitmproxy", Organization: []string{"mitmproxy"}}, "mitmproxy"},
		{pkix.Name{CommonName: "ESET SSL Filter CA", Organization: []string{"ESET, spol. s r. o."}}, "eset"},
		{pkix.Name{CommonName: "avast! Web/Mail Shield Root"}, "avast"},
		{pkix.Name{CommonName: "Kaspersky Anti-Virus Personal Root Certificate", Organization: []string{"AO Kaspersky Lab"}},
			"kaspersky"},
		{pkix.Name{CommonName: "Sophos SSL CA_C01001"}, "sophos"},
		{pkix.Name{CommonName: "Palo Alto Decryption CA"}, "palo alto"},
		{pkix.Name{CommonName: "Inspection CA", OrganizationalUnit: []string{"Check Point Gateway"}}, "check point"},
		{pkix.Name{CommonName: "Resettlement Agency Root CA"}, ""},
		{pkix.Name{CommonName: "Symantec Class 3 Secure Server CA - G4", Organization: []string{"Symantec Corporation"}},
			""},
		{pkix.Name{CommonName: "Cisco Root CA 2048", Organization: []string{"Cisco Systems"}}, ""},
		{pkix.Name{}, ""},
	} {
		if got := inspector(test.name); got != test.product {
			t.Errorf("%s: %q, want %q", test.name, got, test.product)
		}
	}
}

func TestVerifyInterception(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, authority("Zscaler Root CA"))
	middle := issue(t, root, authority("Zscaler Intermediate CA"))
	plain := issue(t, nil, authority("House Root"))
	for name, test := range map[string]struct {
		sent   []*issued
		public bool
		want   string
	}{
		"a proxy":                       {[]*issued{issue(t, middle), middle, root}, true, "intercepted 0 2"},
		"a proxy without its root":      {[]*issued{issue(t, middle), middle}, true, "intercepted 0 1"},
		"a proxy's certificate alone":   {[]*issued{issue(t, middle)}, true, "intercepted 0 0"},
		"a proxy before a private name": {[]*issued{issue(t, middle), middle, root}, false, "unknown-authority 0 2"},
		"a plain private authority":     {[]*issued{issue(t, plain), plain}, true, "unknown-authority 0 1"},
	} {
		o := VerifyOptions{Name: "host.test", Roots: NewRoots(issue(t, nil, authority("Other")).Cert), Time: now()}
		o.Public = test.public
		v := Verify(certsOf(test.sent...), o)
		if expectFindings(t, v, []string{test.want}); t.Failed() {
			t.Fatal(name)
		}
	}
	o := VerifyOptions{Name: "host.test", Roots: NewRoots(root.Cert), Time: now(), Expected: Expected{Public: true}}
	expectFindings(t, Verify(certsOf(issue(t, middle), middle), o), nil)
}

// TestLocalRoots: an authority that an administrator added to the system's store is remarkable before a public name.
func TestLocalRoots(t *testing.T) {
	added, came := issue(t, nil, authority("House Root")), issue(t, nil, authority("Public Root"))
	bundle := write1(t, filepath.Join(t.TempDir(), "bundle.pem"), pemOf(added, came))
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "corp"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := write1(t, filepath.Join(folder, "corp", "house.crt"), pemOf(added))
	write1(t, filepath.Join(folder, "README"), []byte("nothing"))
	write1(t, filepath.Join(folder, "gone.crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
	t.Setenv("SSL_CERT_FILE", bundle)
	t.Setenv("SSL_CERT_DIR", "/nonexistent")
	roots, err := LoadRoots([]string{SourceSystem})
	if err != nil {
		t.Fatal(err)
	}
	roots.noteLocal([]string{"/nonexistent", folder})
	judged := func(roots *Roots, by *issued, e Expected) Verdict {
		return Verify(certsOf(issue(t, by)), VerifyOptions{Name: "host.test", Roots: roots, Time: now(), Expected: e})
	}
	public := Expected{Public: true}
	v := judged(roots, added, public)
	expectFindings(t, v, []string{"intercepted 2 -1"})
	if head, _ := v.Headline(); !strings.Contains(head.Words, file) || !v.Trusted() {
		t.Errorf("%+v", head)
	}
	expectFindings(t, judged(roots, came, public), nil)
	expectFindings(t, judged(roots, added, Expected{}), nil)
	expectFindings(t, judged(roots, added, Expected{Public: true, Issuers: []string{"House Root"}}), nil)
	meant, err := LoadRoots([]string{SourceSystem, file})
	if err != nil {
		t.Fatal(err)
	}
	meant.noteLocal([]string{folder})
	expectFindings(t, judged(meant, added, public), nil)
}
