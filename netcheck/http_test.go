package netcheck

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe/tlsprobetest"
)

func asking(method string) *HTTPRequest {
	return &HTTPRequest{Method: method, Path: "/", Statuses: []StatusRange{{200, 399}}}
}

// TestHTTPAnswers has nginx answer.
func TestHTTPAnswers(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	rootFile, _ := files(t, r.root)
	insists := "ssl_verify_client on; ssl_client_certificate " + rootFile + "; "
	tests := []struct {
		name, conf string
		method     string
		cause      check.Cause
		words      string
	}{
		{"well", "return 200 hello;", "GET", "", "HTTP 200 OK"},
		{"redirect", "return 301 https://elsewhere.test/;", "HEAD", "", "HTTP 301 Moved Permanently"},
		{"forbidden", "return 403;", "HEAD", check.HTTPStatus, "the server answers 403 Forbidden (nginx/"},
		{"error", "return 500;", "GET", check.HTTPStatus, "500 Internal Server Error"},
		{"teapot", "return 418;", "GET", check.HTTPStatus, "418 I'm a teapot"},
		{"insists, GET", insists, "GET", check.TLSClientCertificate, "400 Bad Request"},
		{"insists, HEAD", insists, "HEAD", check.TLSClientCertificate, "400 Bad Request"},
		{"hangs up", "return 444;", "HEAD", check.HTTPStatus, "no HTTP status: the connection was closed without an answer"},
	}
	chains, more := map[string][]*paper{}, map[string]string{}
	for _, test := range tests {
		chains[test.name], more[test.name] = chain, test.conf
	}
	ports := startNginx(t, chains, more)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			target := localTarget(ports[test.name], r.roots)
			target.HTTP = asking(test.method)
			status := check.Fail
			if test.cause == "" {
				status = check.OK
			}
			result := expectResult(t, target, status, test.cause, test.words, "http")
			evidence, ok := result.Evidence.(*TLSEvidence)
			if !ok || len(evidence.Connections) != 1 || !strings.HasPrefix(evidence.Connections[0].Local, "127.0.0.1:") {
				t.Fatalf("evidence %+v", result.Evidence)
			}
			if seen := evidence.Connections[0].HTTP; test.name != "hangs up" &&
				(seen == nil || seen.Status == 0 || !strings.HasPrefix(seen.Server, "nginx/") ||
					time.Since(*seen.Date) > time.Minute) {
				t.Errorf("evidence %+v", seen)
			}
		})
	}
	target := localTarget(startOpenSSL(t, chain, "-www", "-alpn", "h2,http/1.1"), r.roots)
	target.ALPN = []string{"h2", "http/1.1"}
	if seen := expectResult(t, target, check.OK, "", "TLS 1.3", "tls").Evidence.(*TLSEvidence); seen.ALPN != "h2" {
		t.Errorf("without a request, %q was agreed on", seen.ALPN)
	}
	target.HTTP = asking("GET")
	if seen := expectResult(t, target, check.OK, "", "HTTP 200 ok",
		"http").Evidence.(*TLSEvidence); seen.ALPN != "http/1.1" {
		t.Errorf("with a request of HTTP/1.1, %q was agreed on", seen.ALPN)
	}
	target = localTarget(ports["forbidden"], r.roots)
	target.HTTP = &HTTPRequest{Method: "HEAD", Path: "/", Statuses: []StatusRange{{200, 200}, {403, 404}}}
	expectResult(t, target, check.OK, "", "HTTP 403 Forbidden", "http")
}

// TestHTTPHostile has a server answer that keeps no rules of HTTP: the cause is of the layer http, whatever it does, and
// what it says is escaped.
func TestHTTPHostile(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	pair := tlsprobetest.Chain(r.leaf(t), r.intermediate)
	tests := []struct {
		name, says string
		stays      bool
		cause      check.Cause
		words      string
	}{
		{"silence", "", true, check.HTTPStatus, "no HTTP status: no answer in time"},
		{"half a head", "HTTP/1.1 200 OK\r\nSer", true, check.HTTPMalformed, "no answer in time, only 20 octets"},
		{"hang-up in the head", "HTTP/1.1 200 OK\r\nSer", false, check.HTTPMalformed,
			"closed without an answer, only 20 octets"},
		{"another protocol", "220 mail\x1b[31m\u202e ESMTP\r\n", true, check.HTTPMalformed,
			`it said "220 mail\x1b[31m\u202e ESMTP\r\n"`},
		{"bad head", "HTTP/1.1 200 OK\r\n a\x1b: b\r\n\r\n", true, check.HTTPMalformed,
			`breaks the rules of HTTP: malformed`},
		{"endless head", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 1<<17), true, check.HTTPMalformed,
			"larger than 64 KiB"},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", true, check.HTTPMalformed,
			"invalid byte in chunk"},
		{"escapes", "HTTP/1.1 500 a\x1b[31m\r\nServer: b\u202ec\r\nContent-Length: 0\r\n\r\n", true, check.HTTPStatus,
			`500 a\x1b[31m (b\u202ec)`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			port := startTCP(t, func(conn *net.TCPConn) {
				secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}})
				if _, err := secured.Read(make([]byte, 1<<12)); err != nil {
					return
				}
				_, _ = io.WriteString(secured, test.says)
				if test.stays {
					untilClosed(conn)
				}
				_ = secured.Close()
			})
			target := localTarget(port, r.roots)
			target.HTTP = asking("GET")
			result := inTime(t, time.Second, TLS(target))
			if result.Cause != test.cause || !strings.Contains(result.Detail, test.words) || lastPhase(result) != "http" {
				t.Errorf("%s in %s: %s; want %s: …%s…", result.Cause, lastPhase(result), result.Detail, test.cause,
					test.words)
			}
		})
	}
}
