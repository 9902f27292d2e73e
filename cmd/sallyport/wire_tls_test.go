package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/config"
	"sallyport/tlsprobe/jvm"
)

// TestTLSIsWired holds that a check goes where the file says, by what it sees: from an address that is not here, by an
// interface that is not here, through a proxy that is not there, and that a dns check of the proxy's name comes first.
func TestTLSIsWired(t *testing.T) {
	closed := config.TLS{Name: "a", Server: config.Server{Host: "127.0.0.1", Port: 9, ServerName: "a.example"}}
	from, by, through := closed, closed, closed
	from.Source = netip.MustParseAddr("203.0.113.5")
	by.Interface = "nowhere0"
	through.Proxy = &config.Proxy{Host: "127.0.0.1", Port: 9, User: "somebody", PasswordFile: "/nowhere"}
	for words, c := range map[string]config.TLS{
		"refused: nothing listens": closed, "203.0.113.5 is not an address": from, `no interface "nowhere0"`: by,
		"the proxy 127.0.0.1:9 cannot be reached": through,
	} {
		wired := wireTLS(c, nil, kept{}, nil, nil)
		if r := wired.Run(t.Context()); r.Status != check.Fail || !strings.Contains(r.Detail, words) {
			t.Errorf("%s: %s, want %s", r.Cause, r.Detail, words)
		}
	}
	if door(closed) != "127.0.0.1" {
		t.Error("a check without a proxy depends on its own name")
	}
	through.Proxy.Host = "proxy.example"
	if door(through) != "proxy.example" {
		t.Error("a check through a proxy depends on its own name")
	}
	asked := wireHTTP(&config.HTTP{Method: http.MethodGet, Path: "/a", Statuses: []config.StatusRange{{First: 200,
		Last: 204}}})
	if wireHTTP(nil) != nil || asked.Method != http.MethodGet || asked.Path != "/a" || asked.Statuses[0].Last != 204 {
		t.Errorf("%+v", asked)
	}
}

// TestHandshakeIsWired holds that the ClientHello is what the file says, by what a server hears of it, and that the client
// certificate is that of the file.
func TestHandshakeIsWired(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	defer func() { _ = listener.Close(); <-done }()
	heard := make(chan *tls.ClientHelloInfo, 1)
	hear := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		heard <- hello
		return nil, errors.New("that was all")
	}}
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = tls.Server(conn, hear).Handshake()
			_ = conn.Close()
		}
	}()
	c := config.TLS{Name: "a", ALPN: []string{"http/1.1"}, Server: config.Server{
		Host: "127.0.0.1", Port: uint16(listener.Addr().(*net.TCPAddr).Port), ServerName: "a.example",
	}}
	for _, like := range []string{config.LikeGo, config.LikeJVM} {
		c.Like = like
		wireTLS(c, nil, kept{}, nil, nil).Run(t.Context())
		hello := <-heard
		hybrid := slices.Contains(hello.SupportedCurves, tls.X25519MLKEM768)
		if hybrid != (like == config.LikeGo) || !slices.Equal(hello.SupportedProtos, c.ALPN) {
			t.Errorf("like %s: groups %v, protocols %q", like, hello.SupportedCurves, hello.SupportedProtos)
		}
	}
	c.ClientCertificate = &config.ClientCertificate{CertificateFile: "/nowhere/cert.pem", KeyFile: "/nowhere/key.pem"}
	r := wireTLS(c, nil, kept{}, nil, nil).Run(t.Context())
	if r.Cause != check.TLSClientCertificate || !strings.Contains(r.Detail, "/nowhere/cert.pem") {
		t.Errorf("%s %s: %s", r.Status, r.Cause, r.Detail)
	}
}

// TestWayOfJavaIsWired holds that a check like the service's Java says where that goes through a proxy, and one like Go does
// not.
func TestWayOfJavaIsWired(t *testing.T) {
	home := t.TempDir()
	for name, text := range map[string]string{
		"lib/security/java.security": "", "lib/net.properties": "https.proxyHost=proxy.test\nhttp.nonProxyHosts=\n",
	} {
		path := filepath.Join(home, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept := kept{java: jvm.NewWatch(jvm.Service{Java: home}, nil, nil)}
	for _, like := range []string{config.LikeGo, config.LikeJVM} {
		c := config.TLS{Name: "a", Server: config.Server{Host: "127.0.0.1", Port: 9, Like: like}}
		r := wireTLS(c, nil, kept, nil, nil).Run(t.Context())
		if strings.Contains(r.Detail, "Java goes through the proxy proxy.test:443") != (like == config.LikeJVM) {
			t.Errorf("like %s: %s: %s", like, r.Cause, r.Detail)
		}
	}
}
