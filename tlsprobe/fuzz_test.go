package tlsprobe

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// FuzzVerify judges what a server may send as certificates. Whatever it is, a chain that crypto/x509 refuses is not
// trusted, and what is said of it is printable.
func FuzzVerify(f *testing.F) {
	h := newHouse(f)
	leaf := issue(f, h.intermediate)
	f.Add(append(append([]byte(nil), leaf.Cert.Raw...), h.intermediate.Cert.Raw...), "host.test")
	f.Add(issue(f, nil).Cert.Raw, "192.0.2.1")
	f.Add(h.root.Cert.Raw, "\x00")
	f.Fuzz(func(t *testing.T, der []byte, name string) {
		certs, err := x509.ParseCertificates(der)
		if err != nil {
			return
		}
		v := Verify(certs, VerifyOptions{Name: name, Roots: h.roots, Time: now(), Warn: 99 * day24, Fail: day24})
		for _, finding := range v.Findings {
			if finding.Words == "" || !printable(finding.Words) {
				t.Errorf("%s: words %q", finding.Problem, finding.Words)
			}
		}
		if !v.Trusted() {
			return
		}
		pool := x509.NewCertPool()
		for _, cert := range certs[1:] {
			pool.AddCert(cert)
		}
		if _, err := certs[0].Verify(x509.VerifyOptions{
			Roots: h.roots.pool, Intermediates: pool, CurrentTime: now(),
		}); err != nil {
			t.Errorf("trusted, but %v", err)
		}
	})
}

// FuzzHandshake answers a ClientHello with anything. No answer that is not signed by a trusted key makes a connection,
// and every failure is one of the two types.
func FuzzHandshake(f *testing.F) {
	h := newHouse(f)
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add(oldServerHello())
	f.Fuzz(func(t *testing.T, answer []byte) {
		near, far := net.Pipe()
		var server sync.WaitGroup
		server.Go(func() { _, _ = io.Copy(io.Discard, far) })
		server.Go(func() {
			_, _ = far.Write(answer)
			_ = far.Close()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		facts, conn, err := Handshake(ctx, near, Options{ServerName: "host.test", Roots: h.roots, Time: now()})
		_ = near.Close()
		server.Wait()
		_, failed := errors.AsType[*HandshakeError](err)
		_, refused := errors.AsType[*CertificateError](err)
		if conn != nil || failed == refused || facts.Verdict.Trusted() {
			t.Errorf("connection %v, error %v, facts %+v", conn, err, facts)
		}
		if !printable(err.Error()) {
			t.Errorf("error %q", err)
		}
	})
}

func printable(text string) bool {
	for _, r := range text {
		if (r < ' ' || r > '~') && r != '…' {
			return false
		}
	}
	return true
}
