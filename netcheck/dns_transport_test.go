package netcheck

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe/tlsprobetest"
)

// endless writes until nobody reads any more.
func endless(w http.ResponseWriter) {
	for block := bytes.Repeat([]byte{0xff}, 1<<16); ; {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func asDNS(w http.ResponseWriter) { w.Header().Set("Content-Type", "application/dns-message") }

// TestDNSOverHTTPSFaults asks a server that speaks HTTP over TLS as it should, and answers what no server of DNS does.
func TestDNSOverHTTPSFaults(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	pair := tlsprobetest.Chain(r.leaf(t), r.intermediate)
	quit := make(chan struct{})
	t.Cleanup(func() { close(quit) })
	tests := []struct {
		name   string
		serve  func(w http.ResponseWriter, query []byte)
		cause  check.Cause
		detail string
	}{
		{"well", func(w http.ResponseWriter, q []byte) {
			asDNS(w)
			_, _ = w.Write(dnsrig.AnswerA("192.0.2.1")(q)[0])
		}, "", "192.0.2.1"},
		{"error", func(w http.ResponseWriter, _ []byte) { http.Error(w, "no", http.StatusForbidden) },
			check.HTTPStatus, "403"},
		{"redirect", func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Location", "https://127.0.0.1:9/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, check.HTTPStatus, "307"},
		{"a page", func(w http.ResponseWriter, _ []byte) {
			w.Header().Set("Content-Type", "text/html; charset=\xe9")
			_, _ = io.WriteString(w, "<html>")
		}, check.HTTPMalformed, "text/html"},
		{"no message", func(w http.ResponseWriter, _ []byte) { asDNS(w); _, _ = io.WriteString(w, "<html>") },
			check.DNSMalformed, "header"},
		{"another id", func(w http.ResponseWriter, q []byte) {
			asDNS(w)
			_, _ = w.Write(dnsrig.Reply(q, func(m *dns.Msg) { m.Id = 7 }))
		}, check.DNSMalformed, "message id"},
		{"another question", func(w http.ResponseWriter, q []byte) {
			asDNS(w)
			_, _ = w.Write(dnsrig.Reply(q, func(m *dns.Msg) { m.Question[0].Name = "other.test." }))
		}, check.DNSMalformed, "another question"},
		{"endless", func(w http.ResponseWriter, _ []byte) { asDNS(w); endless(w) }, check.DNSMalformed, "more octets"},
		{"endless headers", func(w http.ResponseWriter, _ []byte) {
			for i := range 2000 {
				w.Header().Add("X-"+strings.Repeat("x", 50), strings.Repeat("y", i))
			}
		}, check.HTTPMalformed, "no HTTP"},
		{"silence", func(http.ResponseWriter, []byte) { <-quit }, check.DNSTimeout, "no answer"},
		{"drip", func(w http.ResponseWriter, _ []byte) {
			asDNS(w)
			_, _ = w.Write([]byte{0})
			_ = http.NewResponseController(w).Flush()
			<-quit
		}, check.DNSTimeout, "no answer"},
	}
	for _, h2 := range []bool{true, false} {
		for _, tt := range tests {
			name := tt.name + map[bool]string{true: ", HTTP/2", false: ", HTTP/1.1"}[h2]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
					query, _ := io.ReadAll(request.Body)
					if request.ProtoMajor != map[bool]int{true: 2, false: 1}[h2] || request.Method != http.MethodPost {
						http.Error(w, request.Proto, http.StatusHTTPVersionNotSupported)
						return
					}
					tt.serve(w, query)
				}))
				s.EnableHTTP2, s.TLS = h2, &tls.Config{Certificates: []tls.Certificate{pair}}
				s.StartTLS()
				t.Cleanup(func() { s.CloseClientConnections() })
				server := resolver.Server{Transport: resolver.HTTPS, URL: s.URL + "/dns-query", Secure: SecureDNS(r.roots)}
				askHostile(t, server, tt.cause, tt.detail)
			})
		}
	}
}

// askHostile asks for www.zone.test, and holds that the run ends in time and says nothing raw.
func askHostile(t *testing.T, server resolver.Server, cause check.Cause, detail string) {
	t.Helper()
	const timeout = 500 * time.Millisecond
	target := DNSTarget{Query: "www.zone.test", Type: "A", Servers: []resolver.Server{server}}
	got := inTime(t, timeout, DNS(target))
	if got.Cause != cause || !strings.Contains(got.Detail, detail) || !printable(got.Detail) {
		t.Errorf("got %s %q: %q; want %q with %q", got.Status, got.Cause, got.Detail, cause, detail)
	}
}

// TestDNSSecuredFaults meets what can go wrong before, in and after the handshake, by TLS and by HTTPS.
func TestDNSSecuredFaults(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	good := tlsprobetest.Chain(r.leaf(t), r.intermediate)
	expired := tlsprobetest.Chain(r.leaf(t, lasting(-20*oneDay, -oneDay)), r.intermediate)
	shaken := func(pair tls.Certificate, then func(net.Conn)) func(net.Conn) {
		return func(conn net.Conn) {
			secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}})
			if secured.Handshake() == nil {
				then(secured)
			}
		}
	}
	listen := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	once := func(words string) func(net.Conn) {
		return func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 1<<12))
			_, _ = io.WriteString(conn, words)
		}
	}
	for name, c := range map[string]struct {
		serve      func(net.Conn)
		tls, https check.Cause
	}{
		"silence":              {listen, check.TLSTimeout, check.TLSTimeout},
		"plaintext":            {once("SSH-2.0-OpenSSH_9.2\r\n"), check.TLSNotTLS, check.TLSNotTLS},
		"expired":              {shaken(expired, listen), check.CertExpired, check.CertExpired},
		"silence after":        {shaken(good, listen), check.DNSTimeout, check.DNSTimeout},
		"closed after":         {shaken(good, once("")), check.DNSMalformed, check.DNSMalformed},
		"no DNS and no HTTP":   {shaken(good, once("\x00\x0dSSH-2.0-\x1b[2J\r\n")), check.DNSMalformed, check.HTTPMalformed},
		"a length and no more": {shaken(good, once("\xff\xff\x00")), check.DNSMalformed, check.HTTPMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := dnsrig.FreePort(t)
			serveTCP(t, address, c.serve)
			secure := SecureDNS(r.roots)
			askHostile(t, resolver.Server{Transport: resolver.TLS, Address: address, Secure: secure}, c.tls, "")
			askHostile(t, resolver.Server{Transport: resolver.HTTPS, URL: "https://" + address.String() + "/dns-query",
				Secure: secure}, c.https, "")
		})
	}
}
