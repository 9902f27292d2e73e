package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestGetAndPost(t *testing.T) {
	t.Parallel()
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)))
	})
	got, err := Get(t.Context(), address+"/ca.crt", 64)
	if err != nil || string(got) != "GET /ca.crt  " {
		t.Errorf("%q, %v", got, err)
	}
	got, err = Post(t.Context(), address+"/ocsp", "application/ocsp-request", []byte("ask"), 64)
	if err != nil || string(got) != "POST /ocsp application/ocsp-request ask" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 100)) })
	if got, err := Get(t.Context(), address, 100); err != nil || len(got) != 100 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got, err := Get(t.Context(), address, 99); !errors.Is(err, ErrTooLarge) || got != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestStatusAndRedirects(t *testing.T) {
	t.Parallel()
	var address string
	address = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, address+"/here", http.StatusFound)
		case "/here":
			_, _ = w.Write([]byte("here"))
		case "/round":
			http.Redirect(w, r, address+"/round", http.StatusFound)
		case "/https":
			http.Redirect(w, r, "https://elsewhere.test/", http.StatusFound)
		case "/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest/", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	})
	if got, err := Get(t.Context(), address+"/moved", 64); err != nil || string(got) != "here" {
		t.Errorf("%q, %v", got, err)
	}
	_, err := Get(t.Context(), address+"/gone", 64)
	if told, ok := errors.AsType[*StatusError](err); !ok || told.Status != http.StatusNotFound {
		t.Error(err)
	}
	for path, want := range map[string]string{
		"/round": "more than 3 redirects", "/https": "only http is fetched", "/metadata": "a link-local address",
		"/gone": "HTTP status 404 Not Found",
	} {
		if _, err := Get(t.Context(), address+path, 64); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://ca.test/ca.crt": "only http", "ldap://ca.test/cn=CA?cACertificate": "only http",
		"file:///etc/shadow":          "only http",
		"http://user:secret@ca.test/": "a user in it",
		"http:///ca.crt":              "no host", "http://a\x1b[31m.test/": "cannot be read",
		"http://169.254.169.254/":                        "a link-local address",
		"http://[fe80::1%25lo]:80/":                      "a link-local address",
		"http://[fd00:ec2::254]/":                        "metadata service",
		"http://100.100.100.200/":                        "metadata service",
		"http://[::ffff:a9fe:a9fe]/":                     "a link-local address",
		"http://0.0.0.0/":                                "an unspecified address",
		"http://255.255.255.255/":                        "no address of one host",
		"http://" + strings.Repeat("a", 3000) + ".test/": "longer than",
	} {
		_, err := Get(t.Context(), address, 64)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 400 {
			t.Errorf("%.80q: %v, want %s", address, err, want)
		}
	}
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"10.0.0.1", "192.168.1.1", "203.0.113.7", "127.0.0.1", "::1", "fd00::1", "2001:db8::1"} {
		if why := forbidden(netip.MustParseAddr(text)); why != "" {
			t.Errorf("%s: %s", text, why)
		}
	}
}

// raw answers each connection with the words, and then says nothing more until the client is gone.
func raw(t *testing.T, words string) string {
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
			_, _ = io.WriteString(conn, words)
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return "http://" + listener.Addr().String()
}

// TestHostile: what is silent, endless or no HTTP ends with the context, and says nothing unescaped.
func TestHostile(t *testing.T) {
	t.Parallel()
	for name, words := range map[string]string{
		"silence":         "",
		"half a header":   "HTTP/1.1 200 OK\r\nContent-Le",
		"half a body":     "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
		"endless header":  "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"no HTTP":         "\x1b[31mSSH-2.0-\u202eevil\r\n\r\n",
		"evil status":     "HTTP/1.1 200\x1b[31m OK\r\n\r\n",
		"evil chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\x1b[31m\r\n",
		"wrong length":    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"huge announced":  "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + strings.Repeat("x", 1<<20),
		"another's cloak": "HTTP/1.1 302 Found\r\nLocation: http://a\x1b.test/\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := Get(ctx, raw(t, words), 4096)
			if took := time.Since(start); err == nil || took > 2*time.Second {
				t.Fatalf("%v in %v", err, took)
			}
			for _, r := range err.Error() {
				if (r < ' ' || r > '~') && r != '…' {
					t.Errorf("error %q", err)
				}
			}
		})
	}
}

func TestAllowance(t *testing.T) {
	t.Parallel()
	asked := 0
	address := serve(t, func(http.ResponseWriter, *http.Request) { asked++ })
	ctx := Within(t.Context(), 2)
	for i := range 4 {
		if _, err := Get(ctx, address, 64); errors.Is(err, ErrSpent) != (i >= 2) {
			t.Errorf("fetch %d: %v", i, err)
		}
	}
	if asked != 2 {
		t.Errorf("%d requests, want 2", asked)
	}
}
