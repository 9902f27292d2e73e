package netcheck

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/netcheck/resolver"
)

// soakVariable is how many probes TestSoak makes; a few where it is not set.
const soakVariable = "SALLYPORT_TEST_SOAK"

// soaked is one kind of probe, and how many of a hundred are of it.
type soaked struct {
	name  string
	parts int
	limit time.Duration // the deadline
	run   func(context.Context) check.Result
	want  check.Cause
}

// TestSoak makes probes of all kinds, good and bad, at servers that are well, gone, silent and hostile: afterwards no
// goroutine, no descriptor and no memory is held that was not before.
func TestSoak(t *testing.T) {
	probes := 2000
	if text := os.Getenv(soakVariable); text != "" {
		var err error
		if probes, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	kinds := soakedKinds(t)
	soak(t, kinds, len(kinds)*20) // what is kept is kept from here on
	before, began := held(t), time.Now()
	soak(t, kinds, probes)
	took := time.Since(began)
	var after holding
	eventually(t, "no more is held than before", func() bool {
		after = held(t)
		return after.descriptors <= before.descriptors && after.goroutines <= before.goroutines &&
			after.heap <= before.heap+1<<20
	})
	t.Logf("%d probes in %s: before %+v, after %+v", probes, took.Round(time.Millisecond), before, after)
}

// holding is what a process has.
type holding struct {
	goroutines, descriptors int
	heap                    uint64 // octets that are live
}

func held(t *testing.T) holding {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return holding{runtime.NumGoroutine(), descriptors(t), m.HeapAlloc}
}

// soak makes the probes, some at a time. Which one is next is counted out, so that all kinds run beside each other.
func soak(t *testing.T, kinds []soaked, probes int) {
	t.Helper()
	var order []soaked
	for left, round := true, 0; left; round++ {
		left = false
		for _, k := range kinds {
			if round < k.parts {
				order, left = append(order, k), true
			}
		}
	}
	var next, wrong atomic.Int64
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() {
			for i := next.Add(1); i <= int64(probes); i = next.Add(1) {
				k := order[i%int64(len(order))]
				ctx, cancel := context.WithTimeout(context.Background(), k.limit)
				r := k.run(ctx)
				cancel()
				if !k.expects(r.Cause) && wrong.Add(1) <= 5 {
					t.Errorf("%s: %s %q: %s", k.name, r.Status, r.Cause, r.Detail)
				}
			}
		})
	}
	running.Wait()
}

// expects says that a cause is right: of silence, a busy machine may see too little to tell in which phase it was.
func (k soaked) expects(cause check.Cause) bool {
	return cause == k.want || strings.HasSuffix(string(k.want), ".timeout") && strings.HasSuffix(string(cause), ".timeout")
}

func soakedKinds(t *testing.T) []soaked {
	t.Helper()
	s := newStage(t)
	const long, short = 20 * time.Second, 100 * time.Millisecond
	config := &tls.Config{Certificates: []tls.Certificate{s.pair}}
	good := startMany(t, secured(config, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }))
	web := startMany(t, secured(config, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	}))
	silent := startMany(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	mail := startMany(t, func(conn net.Conn) { saying("220 mail\r\n")(conn, nil) })
	gone := startMany(t, func(conn net.Conn) { _ = heard(conn) })
	flood := startMany(t, func(conn net.Conn) { endlessly("", "\x16\x03\x03\x00\x00")(conn, nil) })
	dir := startMany(t, secured(config, func(conn net.Conn) { serveLDAP(conn, soakedDirectory) }))
	closed := uint16(freePort(t))
	answering, mute := dnsrig.Fake(t, dnsrig.AnswerA("192.0.2.1")), dnsrig.Fake(t, func([]byte) [][]byte { return nil })
	tlsTo := func(port uint16) TLSTarget { return localTarget(port, s.roots) }
	ask := func(server resolver.Server) func(context.Context) check.Result {
		return DNS(DNSTarget{Query: "www.zone.test", Type: "A", Servers: []resolver.Server{server}})
	}
	get, through := tlsTo(web), tlsTo(good)
	get.HTTP = asking(http.MethodGet)
	through.Proxy = &Proxy{Host: "127.0.0.1", Port: gone}
	search := LDAPSTarget{Server: s.server(dir), BaseDN: "dc=test", MinEntries: 1}
	plain := search
	plain.StartTLS, plain.Server = true, s.server(gone)
	return []soaked{
		{"a name", 45, long, ask(resolver.At(answering)), ""},
		{"a closed port for names", 10, long, ask(resolver.At(local(int(closed)))), check.DNSUnreachable},
		{"a mute name server", 1, short, ask(resolver.At(mute)), check.DNSTimeout},
		{"names by TCP, closed", 4, long, ask(resolver.Server{Transport: resolver.TCP, Address: local(int(gone))}),
			check.DNSMalformed},
		{"names by TLS, no TLS", 3, long, ask(resolver.Server{Transport: resolver.TLS, Address: local(int(mail)),
			Secure: SecureDNS(s.roots)}), check.TLSNotTLS},
		{"names by HTTPS, no TLS", 3, long, ask(resolver.Server{Transport: resolver.HTTPS, Secure: SecureDNS(s.roots),
			URL: "https://" + local(int(mail)).String() + "/"}), check.TLSNotTLS},
		{"TLS", 4, long, TLS(tlsTo(good)), ""},
		{"HTTP", 3, long, TLS(get), ""},
		{"TLS of nobody", 2, long, TLS(localTarget(good, nil)), check.CertUnknownAuthority},
		{"a closed port", 8, long, TLS(tlsTo(closed)), check.ConnectRefused},
		{"silence", 1, short, TLS(tlsTo(silent)), check.TLSTimeout},
		{"mail", 4, long, TLS(tlsTo(mail)), check.TLSNotTLS},
		{"a hang-up", 4, long, TLS(tlsTo(gone)), check.TLSClosed},
		{"a flood", 2, long, TLS(tlsTo(flood)), check.TLSMalformed},
		{"a proxy that hangs up", 2, long, TLS(through), check.ProxyRefused},
		{"a directory", 2, long, LDAPS(search), ""},
		{"StartTLS hung up on", 2, long, LDAPS(plain), check.LDAPClosed},
	}
}

func (s stage) server(port uint16) Server {
	return Server{Host: "127.0.0.1", Port: port, Roots: s.roots}
}

func soakedDirectory(w io.Writer, op ber.Tag, id int64, _ int) bool {
	said := message(id, result(0x61, 0, ""))
	if op == opSearch {
		said = append(message(id, entry("cn=x,dc=test")), message(id, result(0x65, 0, ""))...)
	}
	_, err := w.Write(said)
	return err == nil
}

func secured(config *tls.Config, then func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() == nil {
			then(server)
			_ = server.Close()
		}
	}
}

// startMany is startTCP for more connections than a test may remember.
func startMany(t *testing.T, answer func(net.Conn)) uint16 {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				answer(conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); group.Wait() })
	return uint16(listener.Addr().(*net.TCPAddr).Port)
}
