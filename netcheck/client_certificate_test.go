package netcheck

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe/tlsprobetest"
)

func asClient(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }

// own is a client certificate in files.
func own(t *testing.T, chain ...*paper) ClientCertificate {
	t.Helper()
	certFile, keyFile := files(t, chain...)
	return ClientCertificate{certFile, keyFile}
}

// TestClientCertificates: what a server says that wants one, to none, to ours, and to one that it does not accept.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	rootFile, _ := files(t, r.root)
	good := own(t, r.leaf(t, asClient), r.intermediate)
	stale := own(t, r.leaf(t, asClient, lasting(-90*oneDay, -3*oneDay)), r.intermediate)
	ending := own(t, r.leaf(t, asClient, lasting(-90*oneDay, 3*oneDay)), r.intermediate)
	early := own(t, r.leaf(t, asClient, lasting(oneDay, 3*oneDay)), r.intermediate)
	foreign := own(t, sign(t, newKey(t), r.stranger, asClient))
	demanding := []string{"-Verify", "2", "-verify_return_error", "-CAfile", rootFile}
	tests := []struct {
		name   string
		args   []string
		own    ClientCertificate
		status check.Status
		cause  check.Cause
		words  string
	}{
		{"none", demanding, ClientCertificate{}, check.Fail, check.TLSClientCertificate,
			"asks for a client certificate and does not do without one: alert "},
		{"good", demanding, good, check.OK, "", "asks for a client certificate, and takes ours"},
		{"unknown", demanding, foreign, check.Fail, check.TLSClientCertificate,
			"does not accept our client certificate: alert unknown_ca (48)"},
		{"expired", demanding, stale, check.Fail, check.TLSClientCertificate,
			"does not accept our client certificate: alert certificate_expired (45); this host's own client certificate " +
				"expired on "},
		{"expired, but taken", []string{"-verify", "1"}, stale, check.Warn, check.TLSClientCertificate, "expired on"},
		{"expired, and not asked for", nil, stale, check.Warn, check.TLSClientCertificate, "certificate expired on"},
		{"ending", demanding, ending, check.Warn, check.TLSClientCertificate, "own client certificate expires on"},
		{"early", demanding, early, check.Fail, check.TLSClientCertificate, "own client certificate is not valid before"},
		{"not asked for", nil, good, check.OK, "", "valid until"},
	}
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		for _, test := range tests {
			t.Run(version+" "+test.name, func(t *testing.T) {
				t.Parallel()
				target := localTarget(startOpenSSL(t, chain, append([]string{version}, test.args...)...), r.roots)
				target.ClientCertificate = test.own
				result := expectResult(t, target, test.status, test.cause, test.words, "tls")
				evidence, ok := result.Evidence.(*TLSEvidence)
				sent := len(test.args) > 0 && test.own != ClientCertificate{}
				if !ok || evidence.ClientSent != sent || evidence.ClientRequest != (len(test.args) > 0) {
					t.Errorf("evidence %+v", result.Evidence)
				}
			})
		}
	}
}

// TestClientCertificateFiles: what cannot be used is told with its place and its mend, before anything is sent.
func TestClientCertificateFiles(t *testing.T) {
	t.Parallel()
	good, other := own(t, sign(t, newKey(t), nil)), own(t, sign(t, newKey(t), nil))
	folder := t.TempDir()
	in := func(name, content string) string {
		path := filepath.Join(folder, name)
		writeFile(t, path, content)
		return path
	}
	locked := filepath.Join(folder, "locked.pem")
	out, err := exec.Command(needProgram(t, "openssl"), "pkey", "-in", good.KeyFile, "-aes128", "-passout", "pass:secret",
		"-out", locked).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	old := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte{1},
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}}))
	for name, test := range map[string]struct {
		own   ClientCertificate
		words []string
	}{
		"another key":    {ClientCertificate{good.CertificateFile, other.KeyFile}, []string{"does not match", "of one"}},
		"encrypted":      {ClientCertificate{good.CertificateFile, locked}, []string{locked, "encrypted", "openssl pkey"}},
		"encrypted, old": {ClientCertificate{good.CertificateFile, in("old", old)}, []string{"is encrypted"}},
		"missing":        {ClientCertificate{folder + "/none", good.KeyFile}, []string{"none: no such file"}},
		"no key":         {ClientCertificate{good.CertificateFile, ""}, []string{"no such file"}},
		"empty":          {ClientCertificate{in("empty", ""), good.KeyFile}, []string{"empty is empty"}},
		"no PEM":         {ClientCertificate{in("der", "\x30\x82"), good.KeyFile}, []string{"failed to find any PEM data"}},
		"a folder":       {ClientCertificate{folder, good.KeyFile}, []string{"no regular file"}},
		"too large":      {ClientCertificate{in("big", strings.Repeat("x", maxPair+1)), good.KeyFile}, []string{"larger"}},
	} {
		target := localTarget(1, nil)
		target.ClientCertificate = test.own
		result := expectResult(t, target, check.Fail, check.TLSClientCertificate, "certificate cannot be used: ", "")
		for _, words := range test.words {
			if !strings.Contains(result.Detail, words) {
				t.Errorf("%s: %q does not say %q", name, result.Detail, words)
			}
		}
		if len(result.Endpoints) != 0 {
			t.Errorf("%s: it went to %v", name, result.Endpoints)
		}
	}
}

// TestClientCertificateAtSlapd: a directory that demands one, with and without.
func TestClientCertificateAtSlapd(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "TLSVerifyClient demand")
	target := s.target(t, "")
	target.PasswordFile, target.BaseDN = "", ""
	refused := LDAPS(target)(withTimeout(t, 5*time.Second))
	if refused.Status != check.Fail || refused.Cause != check.TLSClientCertificate {
		t.Errorf("without: %s %s: %s", refused.Status, refused.Cause, refused.Detail)
	}
	target.ClientCertificate = own(t, sign(t, newKey(t), s.authority, asClient))
	if r := LDAPS(target)(withTimeout(t, 5*time.Second)); r.Status != check.OK {
		t.Errorf("with: %s %s: %s", r.Status, r.Cause, r.Detail)
	}
	target.ClientCertificate = own(t, sign(t, newKey(t), nil, asClient))
	if r := LDAPS(target)(withTimeout(t, 5*time.Second)); r.Cause != check.TLSClientCertificate ||
		!strings.Contains(r.Detail, "does not accept our client certificate") {
		t.Errorf("with a stranger's: %s %s: %s", r.Status, r.Cause, r.Detail)
	}
	target.ClientCertificate.KeyFile = os.DevNull
	if r := LDAPS(target)(withTimeout(t, 5*time.Second)); r.Cause != check.TLSClientCertificate || r.Remedy == "" {
		t.Errorf("with a key that is none: %s %s: %s", r.Status, r.Cause, r.Detail)
	}
}

// TestHangUpAfterARequest: a directory that asks everybody for a certificate, as Active Directory does, and does without
// one, may hang up for another reason.
func TestHangUpAfterARequest(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	config := &tls.Config{
		Certificates: []tls.Certificate{tlsprobetest.Chain(r.leaf(t), r.intermediate)}, ClientAuth: tls.RequestClientCert,
		SessionTicketsDisabled: true,
	}
	port := startTCP(t, func(conn *net.TCPConn) {
		session := tls.Server(conn, config)
		_, _ = session.Read(make([]byte, 1<<10))
		_ = session.Close()
	})
	target := LDAPSTarget{Server: localTarget(port, r.roots).Server}
	result := LDAPS(target)(withTimeout(t, 5*time.Second))
	if result.Status != check.Fail || result.Cause != check.LDAPClosed {
		t.Errorf("%s %s: %s", result.Status, result.Cause, result.Detail)
	}
}
