package netcheck

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"sallyport/check"
)

// tlv is a BER element with a definite length.
func tlv(tag byte, parts ...[]byte) []byte {
	content := bytes.Join(parts, nil)
	if len(content) < 128 {
		return append([]byte{tag, byte(len(content))}, content...)
	}
	return append([]byte{tag, 0x83, byte(len(content) >> 16), byte(len(content) >> 8), byte(len(content))}, content...)
}

// message is an LDAP message with an id below 128.
func message(id int64, op []byte) []byte { return tlv(0x30, tlv(0x02, []byte{byte(id)}), op) }

// result is the body of a response: bind 0x61, end of a search 0x65.
func result(tag, code byte, text string) []byte {
	return tlv(tag, tlv(0x0a, []byte{code}), tlv(0x04), tlv(0x04, []byte(text)))
}

func entry(dn string) []byte { return tlv(0x64, tlv(0x04, []byte(dn)), tlv(0x30)) }

const (
	opBind   = 0
	opSearch = 3
)

// serveFunc answers the nth request of a connection, 0 for the first. Returning false ends the connection.
type serveFunc func(w io.Writer, op ber.Tag, id int64, nth int) bool

// startLDAPFake is a server that hands each request to serve.
func startLDAPFake(t *testing.T, config *tls.Config, serve serveFunc) uint16 {
	t.Helper()
	return startLDAPFakeAt(t, "127.0.0.1:0", config, serve)
}

func startLDAPFakeAt(t *testing.T, address string, config *tls.Config, serve serveFunc) uint16 {
	t.Helper()
	l, err := tls.Listen("tcp", address, config)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer func() { _ = conn.Close() }()
				serveLDAP(conn, serve)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); group.Wait() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func serveLDAP(conn net.Conn, serve serveFunc) {
	in := bufio.NewReader(conn)
	for nth := 0; ; nth++ {
		packet, err := ber.ReadPacket(in)
		if err != nil || len(packet.Children) < 2 {
			return
		}
		id, _ := packet.Children[0].Value.(int64)
		if !serve(conn, packet.Children[1].Tag, id, nth) {
			return
		}
	}
}

// bindsThen answers binds and rootDSE as it should, and leaves the search to serve.
func bindsThen(serve func(w io.Writer, id int64) bool) serveFunc {
	return func(w io.Writer, op ber.Tag, id int64, nth int) bool {
		switch {
		case op == opBind:
			_, err := w.Write(message(id, result(0x61, 0, "")))
			return err == nil
		case op == opSearch && nth == 1:
			_, err := w.Write(append(message(id, entry("")), message(id, result(0x65, 0, ""))...))
			return err == nil
		case op == opSearch:
			return serve(w, id)
		default:
			return false
		}
	}
}

// TestLDAPSHostile has servers that are silent, babble, lie and never end. Each run ends within its deadline, and takes
// in no more than it may.
func TestLDAPSHostile(t *testing.T) {
	t.Parallel()
	pki := newDirectoryPKI(t)
	config := &tls.Config{Certificates: []tls.Certificate{pki.pair}}
	first := func(raw func(id int64) []byte, open bool) serveFunc {
		return func(w io.Writer, _ ber.Tag, id int64, _ int) bool {
			_, err := w.Write(raw(id))
			return err == nil && open
		}
	}
	fixed := func(s string) func(int64) []byte { return func(int64) []byte { return []byte(s) } }
	tests := []struct {
		name   string
		serve  serveFunc
		cause  check.Cause
		detail string
	}{
		{"silence", first(fixed(""), true), check.LDAPTimeout, "no answer"},
		{"closed", first(fixed(""), false), check.LDAPClosed, "closed"},
		{"http", first(fixed("HTTP/1.1 400 Bad Request\r\n\r\n"), true), check.LDAPMalformed, ""},
		{"banner without an end", first(fixed("220 mail.test ESMTP"), true), check.LDAPMalformed, ""},
		{"a message of 2 GiB", first(fixed("\x30\x84\x7f\xff\xff\xff"), true), check.LDAPMalformed, "length"},
		{"deep", first(fixed(strings.Repeat("\x30\x80", 50_000)), true), check.LDAPMalformed, "nesting depth"},
		{"half a message", first(fixed("\x30\x0c\x02\x01"), false), check.LDAPClosed, ""},
		{"a message of nothing", first(fixed("\x30\x00"), true), check.LDAPMalformed, "no LDAP"},
		{"another id", first(func(int64) []byte {
			return message(99, result(0x61, 0, ""))
		}, true), check.LDAPMalformed, "no answer"},
		{"no result in it", first(func(id int64) []byte {
			return message(id, tlv(0x61))
		}, true), check.LDAPMalformed, "no LDAP"},
		{"a code too large", first(func(id int64) []byte {
			return message(id, tlv(0x61, tlv(0x0a, []byte{1, 0, 0}), tlv(0x04), tlv(0x04)))
		}, true), check.LDAPMalformed, "no LDAP"},
		{"escapes in the message", first(func(id int64) []byte {
			return message(id, result(0x61, 53, "\x1b[2J\r\n<0>forged \u202e\xff"+strings.Repeat("x", 5000)))
		}, true), check.LDAPUnwilling, `\x1b[2J\r\n`},
		{"endless entries", bindsThen(func(w io.Writer, id int64) bool {
			many := bytes.Repeat(message(id, entry("cn=x,dc=test")), 100)
			for {
				if _, err := w.Write(many); err != nil {
					return false
				}
			}
		}), "", "more than 5 entries"},
		{"endless references", bindsThen(func(w io.Writer, id int64) bool {
			many := bytes.Repeat(message(id, tlv(0x73, tlv(0x04, []byte("ldap://other.test/")))), 100)
			for {
				if _, err := w.Write(many); err != nil {
					return false
				}
			}
		}), check.LDAPMalformed, "more than it was asked for"},
		{"an entry without an end", bindsThen(func(w io.Writer, id int64) bool {
			_, _ = w.Write([]byte{0x30, 0x83, 0x0f, 0xff, 0xff, 0x02, 0x01, byte(id), 0x64, 0x83, 0x0f, 0xff, 0x00})
			for {
				if _, err := w.Write(bytes.Repeat([]byte{0x05, 0x00}, 4096)); err != nil {
					return false
				}
			}
		}), check.LDAPMalformed, "greater than maximum"},
		{"an entry without attributes", bindsThen(func(w io.Writer, id int64) bool {
			_, err := w.Write(message(id, tlv(0x64, tlv(0x04, []byte("cn=x")))))
			return err == nil
		}), check.LDAPMalformed, "no LDAP"},
		{"hangs up amid entries", bindsThen(func(w io.Writer, id int64) bool {
			_, _ = w.Write(message(id, entry("cn=x,dc=test")))
			return false
		}), check.LDAPClosed, "closed"},
		{"falls silent amid entries", bindsThen(func(w io.Writer, id int64) bool {
			_, err := w.Write(message(id, entry("cn=x,dc=test")))
			return err == nil
		}), check.LDAPTimeout, "no answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const timeout = time.Second
			target := LDAPSTarget{
				Server: Server{Host: "127.0.0.1", Port: startLDAPFake(t, config, tt.serve), Roots: pki.roots},
				BindDN: "cn=reader", PasswordFile: secretFile(t, "pw"), BaseDN: "dc=test", MinEntries: 5}
			r := inTime(t, timeout, LDAPS(target))
			if r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) {
				t.Errorf("got %q: %s; want %q with %q", r.Cause, r.Detail, tt.cause, tt.detail)
			}
			if !printable(r.Detail) || len(r.Detail) > 1000 {
				t.Errorf("detail of %d characters: %q", len(r.Detail), r.Detail)
			}
		})
	}
}

// TestLDAPSWithoutPages has a directory that lists no paged results and stops at its size limit.
func TestLDAPSWithoutPages(t *testing.T) {
	t.Parallel()
	pki := newDirectoryPKI(t)
	config := &tls.Config{Certificates: []tls.Certificate{pki.pair}}
	port := startLDAPFake(t, config, bindsThen(func(w io.Writer, id int64) bool {
		_, err := w.Write(append(message(id, entry("cn=x,dc=test")), message(id, result(0x65, 4, ""))...))
		return err == nil
	}))
	for size, want := range map[int]check.Cause{0: check.LDAPSizeLimit, 500: check.LDAPNoPaging} {
		target := LDAPSTarget{Server: Server{Host: "127.0.0.1", Port: port, Roots: pki.roots}, BaseDN: "dc=test",
			MinEntries: 5, PageSize: size}
		r := LDAPS(target)(withTimeout(t, 2*time.Second))
		if r.Cause != want || !strings.Contains(r.Detail, "1 entries came before the limit") || r.Remedy == "" {
			t.Errorf("pages of %d: got %q: %s; want %q", size, r.Cause, r.Detail, want)
		}
	}
}

// TestLDAPSStartTLSSilent has a server that accepts, and says nothing in plain text either.
func TestLDAPSStartTLSSilent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	const timeout = 500 * time.Millisecond
	target := LDAPSTarget{StartTLS: true, BindDN: "cn=reader", PasswordFile: secretFile(t, "pw"),
		Server: Server{Host: "127.0.0.1", Port: uint16(l.Addr().(*net.TCPAddr).Port)}}
	r := inTime(t, timeout, LDAPS(target))
	if r.Cause != check.LDAPTimeout || lastPhase(r) != phaseStartTLS || !strings.Contains(r.Detail, "StartTLS") {
		t.Errorf("got %q in phase %s: %s; want ldap.timeout in phase starttls", r.Cause, lastPhase(r), r.Detail)
	}
}

// TestLDAPSClientCertificate has a TLS 1.3 server that refuses a client without a certificate: it says so only at the
// first read, and the layer to blame is tls.
func TestLDAPSClientCertificate(t *testing.T) {
	t.Parallel()
	pki := newDirectoryPKI(t)
	config := &tls.Config{Certificates: []tls.Certificate{pki.pair}, ClientAuth: tls.RequireAnyClientCert}
	port := startLDAPFake(t, config, func(io.Writer, ber.Tag, int64, int) bool { return false })
	target := LDAPSTarget{Server: Server{Host: "127.0.0.1", Port: port, Roots: pki.roots}, BaseDN: "dc=test"}
	r := LDAPS(target)(withTimeout(t, 2*time.Second))
	if r.Cause != check.TLSClientCertificate {
		t.Errorf("got %q: %s; want tls.client-certificate", r.Cause, r.Detail)
	}
}

// TestLDAPSLeavesNothing holds that a run has ended all that it began: no goroutine outlives it.
func TestLDAPSLeavesNothing(t *testing.T) {
	pki := newDirectoryPKI(t)
	config := &tls.Config{Certificates: []tls.Certificate{pki.pair}}
	port := startLDAPFake(t, config, func(io.Writer, ber.Tag, int64, int) bool { return true })
	run := LDAPS(LDAPSTarget{Server: Server{Host: "127.0.0.1", Port: port, Roots: pki.roots}, BaseDN: "dc=test"})
	stacks := func() int {
		buf := make([]byte, 1<<20)
		return strings.Count(string(buf[:runtime.Stack(buf, true)]), "netcheck.(*ldapsRun)")
	}
	for range 5 {
		if r := run(withTimeout(t, 50*time.Millisecond)); r.Cause != check.LDAPTimeout && r.Cause != check.TLSTimeout {
			t.Errorf("got %q: %s; want a timeout", r.Cause, r.Detail)
		}
	}
	eventually(t, "no goroutine of a run is left", func() bool { return stacks() == 0 })
}
