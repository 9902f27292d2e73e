package tlsprobe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// serve listens on loopback and hands each connection to answer, which is waited for at the end of the test.
func serve(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			answer(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String()
}

// serveTLS serves TLS, and reads on until the client hangs up.
func serveTLS(t *testing.T, config *tls.Config) string {
	t.Helper()
	return serve(t, func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() == nil {
			_, _ = io.Copy(io.Discard, server)
		}
	})
}

func shake(t *testing.T, address string, o Options) (Facts, *tls.Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	facts, client, err := Handshake(ctx, conn, o)
	if (client == nil) == (err == nil) {
		t.Errorf("connection %v with error %v", client, err)
	}
	if client != nil {
		t.Cleanup(func() { _ = client.Close() })
	}
	return facts, client, err
}

func TestHandshakeFacts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	leaf := issue(t, h.intermediate)
	stapled := chain(leaf, h.intermediate)
	stapled.OCSPStaple = []byte("a staple")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		address := serveTLS(t, &tls.Config{
			Certificates: []tls.Certificate{stapled}, MaxVersion: version, NextProtos: []string{"h2"},
		})
		facts, client, err := shake(t, address, Options{
			ServerName: "host.test", Roots: h.roots, Time: now(), ALPN: []string{"h2", "http/1.1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if facts.Version != version || facts.Suite == 0 || facts.Group == 0 || facts.ALPN != "h2" ||
			string(facts.OCSP) != "a staple" || facts.ClientCertificateRequested || facts.Duration <= 0 ||
			facts.Received == 0 || !facts.Verdict.Trusted() || len(facts.Certificates) != 2 ||
			!facts.Certificates[0].Equal(leaf.Cert) {
			t.Errorf("%s: facts %+v", tls.VersionName(version), facts)
		}
		if _, err := client.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
	}
}

// TestHandshakeNeverHandsOnAnUnverifiedConnection: the facts of a bad chain are there, the connection is not.
func TestHandshakeNeverHandsOnAnUnverifiedConnection(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	good := issue(t, h.intermediate)
	expired := issue(t, h.intermediate, valid(-20*day24, -day24))
	heard := make(chan error, 8)
	for name, test := range map[string]struct {
		server *issued
		roots  *Roots
		host   string
		want   Problem
	}{
		"expired":       {expired, h.roots, "host.test", Expired},
		"another name":  {good, h.roots, "other.test", NameMismatch},
		"unknown":       {good, NewRoots(h.stranger.Cert), "host.test", UnknownAuthority},
		"nobody at all": {good, nil, "host.test", UnknownAuthority},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{Certificates: []tls.Certificate{chain(test.server, h.intermediate)}}
			address := serve(t, func(conn net.Conn) { heard <- tls.Server(conn, config).Handshake() })
			facts, client, err := shake(t, address, Options{ServerName: test.host, Roots: test.roots, Time: now()})
			bad, ok := errors.AsType[*CertificateError](err)
			if !ok || client != nil {
				t.Fatalf("error %v, connection %v", err, client)
			}
			if head, _ := bad.Verdict.Headline(); head.Problem != test.want || head.Words != bad.Error() {
				t.Errorf("headline %+v, want %s", head, test.want)
			}
			if len(facts.Certificates) != 2 || facts.Version != tls.VersionTLS13 || facts.Verdict.Trusted() {
				t.Errorf("facts %+v", facts)
			}
			if err := <-heard; err == nil || !strings.Contains(err.Error(), "bad certificate") {
				t.Errorf("the server heard %v, want the alert bad_certificate", err)
			}
		})
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, test := range map[string]struct {
		version uint16
		auth    tls.ClientAuthType
		tickets bool
		refused bool
	}{
		"1.2 asks":                  {tls.VersionTLS12, tls.RequestClientCert, true, false},
		"1.2 insists":               {tls.VersionTLS12, tls.RequireAnyClientCert, true, true},
		"1.3 asks":                  {tls.VersionTLS13, tls.RequestClientCert, true, false},
		"1.3 asks, without tickets": {tls.VersionTLS13, tls.RequestClientCert, false, false},
		"1.3 insists":               {tls.VersionTLS13, tls.RequireAndVerifyClientCert, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := serveTLS(t, &tls.Config{
				Certificates: []tls.Certificate{chain(issue(t, h.root))}, MaxVersion: test.version, ClientAuth: test.auth,
				ClientCAs: h.roots.pool, SessionTicketsDisabled: !test.tickets,
			})
			wait := 5 * time.Second // longer than the test may take: tickets or the alert must end it
			if !test.tickets {
				wait = 100 * time.Millisecond
			}
			start := time.Now()
			facts, client, err := shake(t, address, Options{
				ServerName: "host.test", Roots: h.roots, Time: now(), AwaitAlert: wait,
			})
			if test.tickets && time.Since(start) > 4*time.Second {
				t.Error("nothing ended the wait")
			}
			if !facts.ClientCertificateRequested {
				t.Error("the request was not seen")
			}
			if test.refused {
				expectFailure(t, err, FailedNoCertificate)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Write([]byte("still usable")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAfterHandshake is the way of a caller that reads an answer itself.
func TestAfterHandshake(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{chain(issue(t, h.root))}, ClientAuth: tls.RequireAnyClientCert,
	})
	facts, client, err := shake(t, address, Options{ServerName: "host.test", Roots: h.roots, Time: now()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Read(make([]byte, 1))
	expectFailure(t, facts.AfterHandshake(err), FailedNoCertificate)
	if got := facts.AfterHandshake(io.ErrNoProgress); !errors.Is(got, io.ErrNoProgress) {
		t.Errorf("another error became %v", got)
	}
	if got := (Facts{}).AfterHandshake(err); !errors.Is(got, err) || errors.As(got, new(*HandshakeError)) {
		t.Errorf("without a request it became %v", got)
	}
}

func expectFailure(t *testing.T, err error, want Failure) {
	t.Helper()
	if failed := failureOf(t, err); failed.Failure != want {
		t.Errorf("failure %d (%v), want %d", failed.Failure, err, want)
	}
}

func failureOf(t *testing.T, err error) *HandshakeError {
	t.Helper()
	failed, ok := errors.AsType[*HandshakeError](err)
	if !ok {
		t.Fatalf("error %T %v, want a HandshakeError", err, err)
	}
	return failed
}

func TestFailures(t *testing.T) {
	t.Parallel()
	leaf := chain(issue(t, nil))
	serverOf := func(config *tls.Config) func(net.Conn) {
		config.Certificates = []tls.Certificate{leaf}
		return func(conn net.Conn) { _ = tls.Server(conn, config).Handshake() }
	}
	alert := func(description byte) func(net.Conn) {
		return func(conn net.Conn) { readHello(conn); write(conn, 21, 3, 3, 0, 2, 2, description) }
	}
	tests := []struct {
		name   string
		answer func(net.Conn)
		want   Failure
		words  string
	}{
		{"closed", readHello, FailedClosed, "closed the connection"},
		{"closed in an answer", func(c net.Conn) { readHello(c); write(c, 22, 3, 3, 0, 90, 2, 0) }, FailedClosed, "closed"},
		{"reset", func(c net.Conn) { readHello(c); _ = c.(*net.TCPConn).SetLinger(0) }, FailedReset, "reset"},
		{"ssh", func(c net.Conn) { readHello(c); write(c, []byte("SSH-2.0-Open\x1b]0;\u202e\r\n")...) }, FailedNotTLS,
			`"SSH-2.0-Open\x1b]0;\u202e\r\n"`},
		{"short words", func(c net.Conn) { readHello(c); write(c, []byte("no")...) }, FailedNotTLS, `"no"`},
		{"http", func(c net.Conn) { readHello(c); write(c, []byte("HTTP/1.1 400 Bad Request\r\n\r\n")...) }, FailedNotTLS,
			`"HTTP/1.1 400`},
		{"old", serverOf(&tls.Config{MaxVersion: tls.VersionTLS11}), FailedVersion, "protocol_version (70)"},
		{"no common suite", alert(40), FailedCipher, "handshake_failure (40)"},
		{"weak suites", alert(71), FailedCipher, "insufficient_security (71)"},
		{"internal error", alert(80), FailedAlert, "internal_error (80)"},
		{"unknown name", alert(112), FailedAlert, "unrecognized_name (112)"},
		{"an alert of no name", alert(200), FailedAlert, "unassigned (200)"},
		{"garbage in a record", func(c net.Conn) { readHello(c); write(c, 22, 3, 3, 0, 4, 99, 0, 0, 0) },
			FailedMalformed, ""},
		{"an old version chosen", func(c net.Conn) { readHello(c); write(c, oldServerHello()...) }, FailedVersion, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			facts, _, err := shake(t, serve(t, test.answer), Options{ServerName: "host.test"})
			expectFailure(t, err, test.want)
			if !strings.Contains(err.Error(), test.words) {
				t.Errorf("%q does not say %q", err, test.words)
			}
			if failed := failureOf(t, err); failed.Received != facts.Received {
				t.Errorf("received %d, facts %d", failed.Received, facts.Received)
			}
		})
	}
}

// readHello takes in the ClientHello, so that closing is no reset.
func readHello(conn net.Conn) { _, _ = conn.Read(make([]byte, 1<<14)) }

func write(conn net.Conn, data ...byte) { _, _ = conn.Write(data) }

// oldServerHello is a ServerHello of TLS 1.0 with the suite TLS_RSA_WITH_AES_128_CBC_SHA, as an old server sends it
// whatever it is offered.
func oldServerHello() []byte {
	body := append([]byte{3, 1}, make([]byte, 32)...)
	body = append(body, 0, 0, 0x2F, 0)
	message := append([]byte{2, 0, 0, byte(len(body))}, body...)
	return append([]byte{22, 3, 1, 0, byte(len(message))}, message...)
}

func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		facts, _, err := Handshake(ctx, near, Options{ServerName: "host.test"})
		expectFailure(t, err, FailedTimeout)
		if failed := failureOf(t, err); facts.Duration != 3*time.Second || failed.Received != 0 {
			t.Errorf("after %v, with %d bytes", facts.Duration, failed.Received)
		}
		if want := "no answer in the TLS handshake"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	})
}

// TestSilenceInTheMiddle: half an answer is told from none.
func TestSilenceInTheMiddle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() { readHello(far); write(far, 22, 3, 3, 0, 90, 2, 0); _, _ = io.Copy(io.Discard, far) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := Handshake(ctx, near, Options{ServerName: "host.test"})
		expectFailure(t, err, FailedTimeout)
		if want := "the server fell silent in the middle of the TLS handshake"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	})
}

func TestGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, _, err := Handshake(ctx, near, Options{ServerName: "host.test"})
		expectFailure(t, err, FailedCanceled)
	})
}

// brokenWay is a connection that the system gives up.
type brokenWay struct {
	net.Conn
	number syscall.Errno
}

func (c brokenWay) Read([]byte) (int, error) {
	return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", c.number)}
}

// TestBrokenWay: what the way to the server does is not blamed on the server's protocol.
func TestBrokenWay(t *testing.T) {
	t.Parallel()
	for number, want := range map[syscall.Errno]Failure{
		syscall.EHOSTUNREACH: FailedOtherwise, syscall.ENETDOWN: FailedOtherwise, syscall.ETIMEDOUT: FailedTimeout,
		syscall.ECONNRESET: FailedReset,
	} {
		near, far := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		_, _, err := Handshake(t.Context(), brokenWay{near, number}, Options{ServerName: "host.test"})
		expectFailure(t, err, want)
		if !strings.Contains(err.Error(), number.Error()) && want == FailedOtherwise {
			t.Errorf("%q does not say %q", err, number)
		}
	}
}

// TestBounds: a server that sends for ever, or more certificates than any chain has, is cut off.
func TestBounds(t *testing.T) {
	t.Parallel()
	endless := func(conn net.Conn) {
		readHello(conn)
		empty := []byte{22, 3, 3, 0, 4, 4, 0, 0, 0} // a message that may not stand here, again and again
		for range 1 << 20 {
			if _, err := conn.Write(empty); err != nil {
				return
			}
		}
	}
	facts, _, err := shake(t, serve(t, endless), Options{})
	expectFailure(t, err, FailedMalformed)
	if facts.Received > MaxHandshakeBytes {
		t.Errorf("took in %d bytes", facts.Received)
	}
	one := issue(t, nil)
	many := make([]*issued, MaxCertificates+1)
	for i := range many {
		many[i] = one
	}
	address := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{chain(many...)}})
	facts, _, err = shake(t, address, Options{ServerName: "host.test", Roots: NewRoots(one.Cert), Time: now()})
	expectFailure(t, err, FailedMalformed)
	if len(facts.Certificates) != MaxCertificates {
		t.Errorf("kept %d certificates", len(facts.Certificates))
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	go func() {
		_, _ = io.Copy(far, io.LimitReader(zeros{}, 2*MaxHandshakeBytes))
		_ = far.Close()
	}()
	m := &meter{Conn: near}
	if _, err := io.Copy(io.Discard, m); !errors.Is(err, errTooMuch) || m.received != MaxHandshakeBytes {
		t.Errorf("received %d, error %v", m.received, err)
	}
	m.open = true
	if n, err := io.Copy(io.Discard, m); n != MaxHandshakeBytes || err != nil {
		t.Errorf("after the handshake %d bytes, error %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestOffers(t *testing.T) {
	t.Parallel()
	var seen []tls.CurveID
	var versions []uint16
	leaf := issue(t, nil)
	listen := func() string {
		return serveTLS(t, &tls.Config{
			MinVersion: tls.VersionTLS10, Certificates: []tls.Certificate{chain(leaf)},
			GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				seen, versions = hello.SupportedCurves, hello.SupportedVersions
				return nil, nil
			},
		})
	}
	o := Options{ServerName: "host.test", Roots: NewRoots(leaf.Cert), Time: now()}
	for offer, want := range map[Offer]struct {
		version uint16
		group   tls.CurveID
	}{
		OfferDefault: {tls.VersionTLS13, tls.X25519MLKEM768},
		OfferSmall:   {tls.VersionTLS13, tls.X25519},
	} {
		o.Offer = offer
		facts, _, err := shake(t, listen(), o)
		if err != nil || facts.Version != want.version || versions[0] != want.version || seen[0] != want.group {
			t.Errorf("offer %d: %v, version %x, groups %v, versions %x", offer, err, facts.Version, seen, versions)
		}
	}
}

// TestNoResumption: a resumed session would show the certificate of the first handshake for ever.
func TestNoResumption(t *testing.T) {
	t.Parallel()
	leaf := issue(t, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{Certificates: []tls.Certificate{chain(leaf)}, MaxVersion: version}
		address := serveTLS(t, config)
		for range 2 {
			o := Options{ServerName: "host.test", Roots: NewRoots(leaf.Cert), Time: now()}
			_, client, err := shake(t, address, o)
			if err != nil {
				t.Fatal(err)
			}
			if client.ConnectionState().DidResume {
				t.Errorf("%s: resumed", tls.VersionName(version))
			}
			_ = client.Close()
		}
	}
}

// TestSNI: a name is sent, an address is not.
func TestSNI(t *testing.T) {
	t.Parallel()
	var name string
	leaf := issue(t, nil, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} })
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		name = hello.ServerName
		c := chain(leaf)
		return &c, nil
	}}
	for given, want := range map[string]string{"host.test": "host.test", "127.0.0.1": ""} {
		o := Options{ServerName: given, Roots: NewRoots(leaf.Cert), Time: now()}
		if _, _, err := shake(t, serveTLS(t, config), o); err != nil || name != want {
			t.Errorf("%s: SNI %q, error %v", given, name, err)
		}
	}
}
