package service

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
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

// serveTLS shakes hands on a port of this host until the test ends, with a certificate that nobody trusts.
func serveTLS(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	paper := tlsprobetest.Office{Now: time.Now(), Name: "localhost"}.Issue(t, key, nil, func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	})
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{paper.Cert.Raw}, PrivateKey: key}},
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = conn.Read(make([]byte, 1))
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// TestRealJava holds that what a real JVM logs of real failures, with its own logger, is found, dated and compared.
func TestRealJava(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("java")
	if err != nil {
		if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	began := time.Now().Truncate(time.Second)
	path := filepath.Join(t.TempDir(), "uds.log")
	server := serveTLS(t)
	cmd := exec.CommandContext(t.Context(), program, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Duser.language=en",
		"-Duser.country=US", "testdata/Sync.java", path,
		"https://"+server+"/", "ldaps://"+server, "ldaps://127.0.0.1:1", "https://sync.sallyport.invalid/")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("java: %v: %s", err, out)
	}
	list, err := NewLog(path).Look(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	type told struct {
		cause check.Cause
		host  string
	}
	want := map[told]string{
		{check.CertUnknownAuthority, ""}:          "PKIX path building failed",
		{check.CertUnknownAuthority, "127.0.0.1"}: "CommunicationException: simple bind failed",
		{check.ConnectRefused, "127.0.0.1"}:       "Connection refused",
		{check.DNSNXDomain, ""}:                   "UnknownHostException: sync.sallyport.invalid",
	}
	text, _ := os.ReadFile(path)
	for _, c := range list {
		if c.Host == "sync.sallyport.invalid" {
			c.Host = ""
		}
		if c.Cause == check.TLSClosed { // which of its two threads Java's LDAP reports of is a race
			c.Cause = check.CertUnknownAuthority
		}
		words, known := want[told{c.Cause, c.Host}]
		delete(want, told{c.Cause, c.Host})
		if !known || !strings.Contains(c.Text, words) || strings.Contains(c.Text, "hunter2") ||
			c.Time.Before(began) || c.Time.After(time.Now()) {
			t.Errorf("%+v: want %q", c, words)
		}
	}
	if len(want) > 0 {
		t.Errorf("not found: %v in\n%s", want, text)
	}
}
