package dial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// peer answers what it is told to whatever it is sent, and then hangs up or stays.
func peer(t *testing.T, says string, stays bool) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		asked := make(chan struct{})
		go func() { defer close(asked); _, _ = io.Copy(io.Discard, theirs) }()
		_, _ = io.WriteString(theirs, says)
		if !stays {
			_ = theirs.Close()
		}
		<-asked
	}()
	t.Cleanup(func() { _ = ours.Close(); _ = theirs.Close(); <-done })
	return ours
}

// TestAnswers holds what a GET makes of an answer, good or not, and that it ends with its context.
func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, says string
		stays      bool
		status     int
		failure    HTTPFailure
		words      string
	}{
		{"well", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", true, 200, 0, ""},
		{"no words", "HTTP/1.1 204\r\n\r\n", true, 204, 0, ""},
		{"until the end", "HTTP/1.0 200 OK\r\n\r\nbody", false, 200, 0, ""},
		{"interim", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", true, 302, 0, ""},
		{"interim for ever", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 50), true, 0, HTTPMalformed, "not HTTP"},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", true, 200, 0, ""},
		{"large", "HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + strings.Repeat("x", maxBody), true, 200, 0, ""},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n", true, 200, HTTPMalformed,
			"not HTTP"},
		{"short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", false, 200, HTTPClosed, "closed"},
		{"silence", "", true, 0, HTTPTimeout, "no answer in time"},
		{"silence in the head", "HTTP/1.1 200 OK\r\nServ", true, 0, HTTPTimeout, "no answer in time, only 21 octets of one"},
		{"silence in the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", true, 200, HTTPTimeout, "only"},
		{"hang-up", "", false, 0, HTTPClosed, "the connection was closed without an answer"},
		{"hang-up in the head", "HTTP/1.1 2", false, 0, HTTPClosed, "only 10 octets of one"},
		{"banner", "SSH-2.0-OpenSSH_9.2\r\n", true, 0, HTTPMalformed, "not HTTP"},
		{"prompt", "login: ", true, 0, HTTPMalformed, "not HTTP"},
		{"binary", "\x15\x03\x03\x00\x02\x02\x28", false, 0, HTTPMalformed, "not HTTP"},
		{"bad head", "HTTP/1.1 200 OK\r\n no: name\r\n\r\n", true, 0, HTTPMalformed, "not HTTP"},
		{"large head", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHead), true, 0, HTTPTooLarge, "larger than 64 KiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				answer, err := Request{Method: http.MethodGet, Host: "a.test", Path: "/"}.Do(ctx, peer(t, test.says,
					test.stays))
				if answer.Status != test.status {
					t.Errorf("status %d, want %d", answer.Status, test.status)
				}
				failed, ok := errors.AsType[*HTTPError](err)
				if ok != (test.words != "") || ok && (failed.Failure != test.failure || !strings.Contains(failed.Error(),
					test.words)) {
					t.Errorf("%v (%+v), want %d: …%s…", err, failed, test.failure, test.words)
				}
			})
		})
	}
}

// TestAnswerGivenUp: a caller that gives up is no failure of the peer's, and is not kept waiting.
func TestAnswerGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		_, err := Request{Method: http.MethodHead, Host: "a.test", Path: "/"}.Do(ctx, peer(t, "", true))
		failed, ok := errors.AsType[*HTTPError](err)
		if !ok || failed.Failure != HTTPCanceled || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestRequestOnTheWire holds what is sent, byte for byte.
func TestRequestOnTheWire(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want string
		send func(conn net.Conn) error
	}{
		{"HEAD /a?b=c HTTP/1.1\r\nHost: a.test\r\nUser-Agent: sallyport/1\r\nConnection: close\r\nAccept: */*\r\n\r\n",
			func(conn net.Conn) error {
				_, err := Request{Method: http.MethodHead, Host: "a.test", Path: "/a?b=c",
					Agent: "sallyport/1"}.Do(t.Context(), conn)
				return err
			}},
		{"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nUser-Agent: sallyport\r\nAccept: */*\r\n\r\n",
			func(conn net.Conn) error {
				_, _, err := Tunnel{Target: "a.test:443"}.Open(t.Context(), conn, Basic{})
				return err
			}},
		{"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\nUser-Agent: sallyport\r\nAccept: */*\r\n" +
			"Proxy-Authorization: Basic dGVzdDoxMjPCow==\r\n\r\n", // RFC 7617 section 2.1
			func(conn net.Conn) error {
				_, _, err := Tunnel{Target: "[2001:db8::1]:443"}.Open(t.Context(), conn, Basic{"test", "123£"})
				return err
			}},
	}
	for _, test := range tests {
		ours, theirs := net.Pipe()
		heard := make(chan string, 1)
		go func() {
			got := make([]byte, len(test.want))
			n, _ := io.ReadFull(theirs, got)
			_, _ = io.WriteString(theirs, "HTTP/1.1 200 OK\r\n\r\n")
			_ = theirs.Close()
			heard <- string(got[:n])
		}()
		if err := test.send(ours); err != nil {
			t.Error(err)
		}
		if got := <-heard; got != test.want {
			t.Errorf("sent %q\nwant %q", got, test.want)
		}
		_ = ours.Close()
	}
}

// TestTunnelKeepsWhatCameEarly: a server that speaks first is heard behind the proxy's answer.
func TestTunnelKeepsWhatCameEarly(t *testing.T) {
	t.Parallel()
	conn, answer, err := Tunnel{Target: "a.test:25"}.Open(t.Context(), peer(t, "HTTP/1.1 200 OK\r\n\r\n220 mail\r\n",
		false), Basic{})
	if err != nil || answer.Status != 200 {
		t.Fatal(answer, err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "220 mail\r\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestSchemes reads the challenges of proxies.
func TestSchemes(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		`Basic realm="a, b"`: "Basic",
		`Digest realm="x", nonce="a,Fake b", qop="auth", Basic realm=y`: "Digest Basic",
		"Negotiate, NTLM":                        "Negotiate NTLM",
		"Negotiate abc==, basic realm = \"x\" ":  "Negotiate basic",
		`Digest realm="\", Basic \"", nonce = x`: "Digest",
		"":                                       "",
		", ,":                                    "",
		"\x1b[31m x":                             `\x1b[31m`,
		strings.Repeat("a", 99):                  strings.Repeat("a", maxScheme),
	} {
		if got := strings.Join(schemes([]string{header}), " "); got != want {
			t.Errorf("%q: %q, want %q", header, got, want)
		}
	}
}

// heard is a connection over which the same octets come again and again.
type heard struct {
	net.Conn
	io.Reader
}

func (h heard) Read(p []byte) (int, error) { return h.Reader.Read(p) }
func (heard) Write(p []byte) (int, error)  { return len(p), nil }
func (heard) SetDeadline(time.Time) error  { return nil }
func (heard) Close() error                 { return nil }

// FuzzAnswer gives a request and a CONNECT any answer: they end, within the bounds, and either with an error or with a
// status.
func FuzzAnswer(f *testing.F) {
	for _, says := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
		"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\", NTLM\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n",
		"SSH-2.0\r\n",
	} {
		f.Add([]byte(says))
	}
	f.Fuzz(func(t *testing.T, says []byte) {
		answer, err := Request{Method: http.MethodGet, Host: "a.test", Path: "/"}.Do(t.Context(),
			heard{Reader: bytes.NewReader(says)})
		if (answer.Status == 0) != (err != nil) && err == nil || len(answer.Body) > maxBody {
			t.Errorf("%+v, %v", answer, err)
		}
		_, answer, err = Tunnel{Target: "a.test:443"}.Open(t.Context(), heard{Reader: bytes.NewReader(says)}, Basic{})
		refused, ok := errors.AsType[*ProxyError](err)
		if err == nil && answer.Status/100 != 2 || ok && (len(refused.Schemes) > maxSchemes || answer.Status/100 == 2) {
			t.Errorf("%+v, %v", answer, err)
		}
	})
}
