package netcheck

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"sallyport/check"
	"sallyport/tlsprobe/tlsprobetest"
)

// muted is a connection whose writes go nowhere after so many octets.
type muted struct {
	net.Conn
	left int
}

func (m *muted) Write(p []byte) (int, error) {
	said := p[:min(len(p), m.left)]
	m.left -= len(said)
	if _, err := m.Conn.Write(said); err != nil {
		return 0, err
	}
	return len(p), nil
}

// whole is more than any handshake has.
const whole = 1 << 20

// TestSilence has a server fall silent at each point of a check. It is blamed on the phase in which it happens and on
// nothing else, within the deadline.
func TestSilence(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	config := &tls.Config{Certificates: []tls.Certificate{tlsprobetest.Chain(r.leaf(t), r.intermediate)}}
	// secured shakes hands, as far as it is let, and then reads and says nothing.
	secured := func(left int) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			server := tls.Server(&muted{Conn: conn, left: left}, config)
			if server.Handshake() == nil {
				_, _ = io.Copy(io.Discard, server)
			}
			untilClosed(conn)
		}
	}
	proxied := func(then func(*net.TCPConn)) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
			then(conn)
		}
	}
	tests := []struct {
		name  string
		serve func(*net.TCPConn)
		proxy bool
		cause check.Cause
		words string
		phase string
	}{
		{"after connect", untilClosed, false, check.TLSTimeout, "no answer in the TLS handshake", "tls"},
		{"after ClientHello", secured(0), false, check.TLSTimeout, "no answer in the TLS handshake", "tls"},
		{"in the first record's head", secured(3), false, check.TLSTimeout, "in the middle of the TLS handshake", "tls"},
		{"in ServerHello", secured(50), false, check.TLSTimeout, "in the middle of the TLS handshake", "tls"},
		{"in the certificates", secured(700), false, check.TLSTimeout, "in the middle of the TLS handshake", "tls"},
		{"after the handshake", secured(whole), false, check.HTTPStatus, "no answer in time", "http"},
		{"before CONNECT is answered", untilClosed, true, check.ProxyRefused, "no answer in time", "proxy"},
		{"after CONNECT", proxied(untilClosed), true, check.TLSTimeout, "no answer in the TLS handshake", "tls"},
		{"in ServerHello, through a proxy", proxied(secured(50)), true, check.TLSTimeout, "in the middle of", "tls"},
		{"after the handshake, through a proxy", proxied(secured(whole)), true, check.HTTPStatus, "no answer in time",
			"http"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			target := localTarget(startTCP(t, test.serve), r.roots)
			target.HTTP = asking(http.MethodHead)
			if test.proxy {
				target.Proxy = &Proxy{Host: "127.0.0.1", Port: target.Port}
			}
			expectSilence(t, TLS(target), test.cause, test.words, test.phase)
		})
	}
}

// expectSilence runs a check that meets silence.
func expectSilence(t *testing.T, run func(context.Context) check.Result, cause check.Cause, words, phase string) {
	t.Helper()
	const deadline = time.Second
	r := inTime(t, deadline, run)
	for _, e := range r.Endpoints {
		if e.Cause != cause || !strings.Contains(e.Detail, words) || e.Phases[len(e.Phases)-1].Name != phase {
			t.Errorf("%s in %s: %s; want %s in %s: …%s…", e.Cause, lastPhase(r), e.Detail, cause, phase, words)
		}
	}
	if r.Cause != cause || len(r.Endpoints) == 0 {
		t.Errorf("%s: %s; want %s", r.Cause, r.Detail, cause)
	}
}

// TestSilenceOfDirectory has a directory fall silent at each point of a session, also in the midst of a message.
func TestSilenceOfDirectory(t *testing.T) {
	t.Parallel()
	pki := newDirectoryPKI(t)
	config := &tls.Config{Certificates: []tls.Certificate{pki.pair}}
	for name, test := range silentDirectories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := LDAPSTarget{Server: Server{Host: "127.0.0.1", Port: startLDAPFake(t, config, test.serve),
				Roots: pki.roots},
				BaseDN: "dc=test", MinEntries: 1}
			expectSilence(t, LDAPS(target), check.LDAPTimeout, "no answer in time", test.phase)
		})
	}
}

type silentDirectory struct {
	serve serveFunc
	phase string
}

func silentDirectories() map[string]silentDirectory {
	bound, found := result(0x61, 0, ""), result(0x65, 0, "")
	part := func(raw []byte) []byte { return raw[:len(raw)-3] }
	at := func(nth int, says func(id int64) []byte) serveFunc {
		return func(w io.Writer, op ber.Tag, id int64, now int) bool {
			said := says(id)
			if now != nth {
				said = message(id, bound)
				if op == opSearch {
					said = append(message(id, entry("")), message(id, found)...)
				}
			}
			_, err := w.Write(said)
			return err == nil
		}
	}
	nothing := func(int64) []byte { return nil }
	return map[string]silentDirectory{
		"at bind":          {at(0, nothing), "bind"},
		"in bind's answer": {at(0, func(id int64) []byte { return part(message(id, bound)) }), "bind"},
		"at rootDSE":       {at(1, nothing), "search"},
		"in rootDSE":       {at(1, func(id int64) []byte { return part(message(id, entry(""))) }), "search"},
		"after rootDSE":    {at(1, func(id int64) []byte { return message(id, entry("")) }), "search"},
		"at search":        {at(2, nothing), "search"},
		"in an entry":      {at(2, func(id int64) []byte { return part(message(id, entry("cn=a"))) }), "search"},
		"after an entry":   {at(2, func(id int64) []byte { return message(id, entry("cn=a")) }), "search"},
	}
}

// TestInsideSilentDirectories has two addresses of a directory accept and never answer a bind: neither takes the other's
// time, and both are told for what they are.
func TestInsideSilentDirectories(t *testing.T) {
	inside(t)
	pki := newDirectoryPKI(t)
	serve := func(io.Writer, ber.Tag, int64, int) bool { return true }
	port := startLDAPFakeAt(t, "0.0.0.0:0", &tls.Config{Certificates: []tls.Certificate{pki.pair}}, serve)
	secret := secretFile(t, "secret")
	for _, bindDN := range []string{"", "cn=reader,dc=test"} {
		target := LDAPSTarget{Server: Server{Host: "half.test", ServerName: "127.0.0.1", Port: port, Roots: pki.roots},
			BindDN: bindDN, PasswordFile: secret}
		expectSilence(t, LDAPS(target), check.LDAPTimeout, "in time", "bind")
	}
}
