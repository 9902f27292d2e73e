package tlsprobe

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"sallyport/tlsprobe/profile"
)

// hellos is a server that notes each ClientHello.
func hellos(t *testing.T, config *tls.Config) (address string, heard *tls.ClientHelloInfo) {
	t.Helper()
	heard = new(tls.ClientHelloInfo)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		*heard = *hello
		return nil, nil
	}
	return serveTLS(t, config), heard
}

func TestLike(t *testing.T) {
	t.Parallel()
	leaf := issue(t, nil)
	for name, test := range map[string]struct {
		settings profile.Settings
		versions []uint16
		groups   []tls.CurveID
	}{
		"as delivered": {profile.Settings{TLSDisabled: "TLSv1, TLSv1.1"}, []uint16{tls.VersionTLS13, tls.VersionTLS12},
			[]tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}},
		"1.2 alone": {profile.Settings{ClientProtocols: "TLSv1.2", NamedGroups: "secp384r1,x448,x25519"},
			[]uint16{tls.VersionTLS12}, []tls.CurveID{tls.X25519, tls.CurveP384}},
		"1.3 alone": {profile.Settings{ClientSuites: "TLS_AES_128_GCM_SHA256,TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
			[]uint16{tls.VersionTLS13}, []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}},
		"all": {profile.Settings{}, []uint16{tls.VersionTLS13, tls.VersionTLS12},
			[]tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := profile.Of(test.settings)
			if err != nil {
				t.Fatal(err)
			}
			address, heard := hellos(t, &tls.Config{Certificates: []tls.Certificate{chain(leaf)}})
			o := Options{ServerName: "host.test", Roots: NewRoots(leaf.Cert), Time: now(), Like: NewLike(p)}
			facts, _, err := shake(t, address, o)
			if err != nil || !o.Like.Does(facts) || facts.Version != test.versions[0] {
				t.Errorf("%v: %+v", err, facts)
			}
			if !slices.Equal(heard.SupportedVersions, test.versions) || !slices.Equal(heard.SupportedCurves, test.groups) {
				t.Errorf("versions %x, groups %v", heard.SupportedVersions, heard.SupportedCurves)
			}
			for _, id := range heard.CipherSuites {
				if !slices.Contains(p.Suites, id) && !suiteOf13(id) { // crypto/tls offers all three of TLS 1.3
					t.Errorf("suite %s is not of the profile", SuiteName(id))
				}
			}
		})
	}
}

// TestLikeUnspeakable: where nothing is left that could be offered, nothing is sent.
func TestLikeUnspeakable(t *testing.T) {
	t.Parallel()
	for _, settings := range []profile.Settings{
		{ClientProtocols: "TLSv1.1"}, {ClientSuites: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"}, {NamedGroups: "x448"},
	} {
		p, err := profile.Of(settings)
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		_, _, err = Handshake(t.Context(), near, Options{ServerName: "host.test", Like: NewLike(p)})
		expectFailure(t, err, FailedCipher)
		if n, err := far.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes were sent, %v", n, err)
		}
	}
}

func inquire(t *testing.T, address string, q Question, o Options) (Facts, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	facts, err := Ask(ctx, conn, q, o)
	if _, err := conn.Write([]byte{0}); err == nil {
		t.Error("the connection is left open")
	}
	return facts, err
}

// TestAsk: the server hears what was asked, and its choice is told.
func TestAsk(t *testing.T) {
	t.Parallel()
	root := issue(t, nil, authority("Root"))
	leaf := issueFor(t, rsaKey(t, 2048), root)
	like := NewLike(profile.Stock(17))
	for version, want := range map[uint16]Facts{
		tls.VersionTLS13: {Suite: tls.TLS_AES_256_GCM_SHA384, Group: tls.X25519},
		tls.VersionTLS12: {Suite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, Group: tls.X25519},
	} {
		address, heard := hellos(t, &tls.Config{
			Certificates: []tls.Certificate{chain(leaf)}, MaxVersion: version, NextProtos: []string{"h2"},
			CipherSuites: []uint16{want.Suite},
		})
		o := Options{ServerName: "host.test", Roots: NewRoots(root.Cert), Time: now(), ALPN: []string{"h2"}}
		facts, err := inquire(t, address, like.Question(), o)
		if err != nil || facts.Version != version || facts.Group != want.Group || facts.Received == 0 ||
			facts.HelloAfter == 0 {
			t.Fatalf("%v: %+v", err, facts)
		}
		if version == tls.VersionTLS12 &&
			(facts.Suite != want.Suite || len(facts.Certificates) != 1 || !facts.Verdict.Trusted()) {
			t.Errorf("%+v", facts)
		}
		p := profile.Stock(17)
		if heard.ServerName != "host.test" || !slices.Equal(heard.CipherSuites, p.Suites) ||
			len(heard.SupportedCurves) != len(p.Groups) || len(heard.SignatureSchemes) != len(p.Signatures) ||
			!slices.Equal(heard.SupportedVersions, p.Versions) || !slices.Equal(heard.SupportedProtos, o.ALPN) {
			t.Errorf("heard %+v", heard)
		}
	}
}

// TestAskOld: TLS 1.1, with a certificate that is not in order; and nothing at all in common.
func TestAskOld(t *testing.T) {
	t.Parallel()
	leaf := issueFor(t, rsaKey(t, 2048), nil, valid(-20*day24, -day24))
	address := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{chain(leaf)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	})
	o := Options{ServerName: "host.test", Roots: NewRoots(leaf.Cert), Time: now()}
	facts, err := inquire(t, address, Anything(), o)
	head, found := facts.Verdict.Headline()
	if err != nil || facts.Version != tls.VersionTLS11 || !found || head.Problem != Expired || facts.Group != 0 {
		t.Errorf("%v: %+v", err, facts)
	}
	facts, err = inquire(t, address, NewLike(profile.Stock(17)).Question(), o)
	expectFailure(t, err, FailedVersion)
	if facts.Version != 0 {
		t.Errorf("%+v", facts)
	}
	if _, ok := leaf.Key.(*rsa.PrivateKey); !ok {
		t.Error("no RSA key: the suite would not do")
	}
}

// TestAskFailures: what is no choice fails as a handshake does.
func TestAskFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer func(net.Conn)
		want   Failure
	}{
		"closed": {readHello, FailedClosed},
		"alert":  {func(c net.Conn) { readHello(c); write(c, 21, 3, 3, 0, 2, 2, 40) }, FailedCipher},
		"warnings": {func(c net.Conn) { readHello(c); write(c, 21, 3, 3, 0, 2, 1, 112, 21, 3, 3, 0, 2, 2, 80) },
			FailedAlert},
		"ssh": {func(c net.Conn) { readHello(c); write(c, []byte("SSH-2.0-x\r\n")...) }, FailedNotTLS},
		"certificate": {func(c net.Conn) { readHello(c); write(c, 22, 3, 3, 0, 7, 11, 0, 0, 3, 0, 0, 0) },
			FailedMalformed},
		"silent": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, FailedTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", serve(t, test.answer))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			_, err = Ask(ctx, conn, Anything(), Options{ServerName: "host.test"})
			expectFailure(t, err, test.want)
		})
	}
}

// FuzzAsk: no answer does more than to be told, within the bounds.
func FuzzAsk(f *testing.F) {
	f.Add(oldServerHello())
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40})
	f.Add([]byte{22, 3, 3, 0, 10, 2, 0, 0, 6, 3, 3})
	f.Fuzz(func(t *testing.T, answer []byte) {
		near, far := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = far.Read(make([]byte, 1<<14))
			_, _ = far.Write(answer)
			_ = far.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		facts, err := Ask(ctx, near, Anything(), Options{ServerName: "host.test", Time: now()})
		<-done
		if (err == nil) != (facts.Version != 0) || facts.Received > maxAnswer || len(facts.Certificates) > MaxCertificates {
			t.Errorf("error %v, facts %+v", err, facts)
		}
		if err != nil && !printable(err.Error()) {
			t.Errorf("error %q", err)
		}
	})
}
