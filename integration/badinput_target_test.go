package integration_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sallyport/integration/lab"
)

const (
	// targetTimeout is the timeout of each check of a bad target, and alittle what its end may take on a busy machine.
	targetTimeout = 800 * time.Millisecond
	alittle       = 700 * time.Millisecond
)

// conduct is what a server does with a connection. It may take until the connection is closed.
type conduct func(net.Conn)

// silent accepts and never says a word.
func silent(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// noise is random bytes, the same ones each time.
func noise() io.Reader { return rand.NewChaCha8([32]byte{1: 1}) }

// babble says random bytes without an end, and listens to nothing.
func babble(conn net.Conn) { _, _ = io.Copy(conn, noise()) }

// mumble says random bytes, one at a time, for ever.
func mumble(conn net.Conn) {
	bytes := noise()
	for b := make([]byte, 1); ; {
		_, _ = bytes.Read(b)
		if _, err := conn.Write(b); err != nil {
			return
		}
		if !idle(conn, 20*time.Millisecond) {
			return
		}
	}
}

// idle reads what comes in some time; false when the connection has ended.
func idle(conn net.Conn, d time.Duration) bool {
	_ = conn.SetReadDeadline(time.Now().Add(d))
	_, err := io.Copy(io.Discard, conn)
	return err != nil && strings.Contains(err.Error(), "timeout")
}

// text says what another protocol says.
func text(conn net.Conn) {
	_, _ = io.WriteString(conn, "220 mail.example ESMTP ready\r\n")
	_, _ = io.Copy(io.Discard, conn)
}

// hangUp closes at once.
func hangUp(net.Conn) {}

// reset ends with RST.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
}

// after is a conduct behind a handshake of TLS, with a certificate that is well.
func after(config *tls.Config, then conduct) conduct {
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		_ = conn.SetDeadline(time.Now().Add(prompt))
		if err := server.Handshake(); err == nil {
			then(server)
		}
	}
}

// serve has the conduct answer on a port of the node until the test ends.
func (w world) serve(n *lab.Node, port uint16, act conduct) {
	w.t.Helper()
	listener, err := n.Listen(w.t.Context(), port)
	if err != nil {
		w.t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			ended.Go(func() {
				_ = conn.SetDeadline(time.Now().Add(prompt))
				act(conn)
				_ = conn.Close()
			})
		}
	})
	w.t.Cleanup(func() {
		_ = listener.Close()
		ended.Wait()
	})
}

// servePackets answers every datagram on a port of the node; no answer where answer returns nothing.
func (w world) servePackets(n *lab.Node, port uint16, answer func(query []byte) []byte) {
	w.t.Helper()
	conn, err := n.ListenPacket(w.t.Context(), port)
	if err != nil {
		w.t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		for buffer := make([]byte, 4096); ; {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			if reply := answer(slices.Clone(buffer[:n])); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	})
	w.t.Cleanup(func() {
		_ = conn.Close()
		ended.Wait()
	})
}

// garbage answers a query with its id, the mark of a response, and noise.
func garbage(query []byte) []byte {
	_, _ = noise().Read(query[2:])
	query[2] |= 0x80 // QR (RFC 1035 section 4.1.1)
	return query
}

// badTarget is a target that does not do what it should, and the cause that says so.
type badTarget struct {
	check string // a line of the configuration, with %s for its name
	cause []string
}

// badTargets starts the servers in the cloud and in the directory's node, and says what they must be called.
func (w world) badTargets() map[string]badTarget {
	w.t.Helper()
	certificate, err := w.Authority.Issue(lab.DirectoryName, lab.Sound)
	if err != nil {
		w.t.Fatal(err)
	}
	pair, err := certificate.Pair()
	if err != nil {
		w.t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	targets := map[string]badTarget{}
	port := uint16(7000)
	for name, c := range map[string]struct {
		act         conduct
		tls, behind []string
	}{
		"silent":  {silent, []string{"tls.timeout"}, []string{"ldap.timeout"}},
		"babble":  {babble, []string{"tls.not-tls"}, []string{"ldap.malformed"}},
		"mumble":  {mumble, []string{"tls.not-tls", "tls.timeout"}, []string{"ldap.malformed", "ldap.timeout"}},
		"text":    {text, []string{"tls.not-tls"}, []string{"ldap.malformed", "ldap.timeout"}},
		"hang-up": {hangUp, []string{"tls.closed", "tls.reset"}, []string{"ldap.closed"}},
		"reset":   {reset, []string{"tls.reset", "connect.reset"}, []string{"ldap.closed"}},
	} {
		w.serve(w.Cloud, port, c.act)
		targets["tls-"+name] = badTarget{w.tls(port), c.tls}
		w.serve(w.Directory, port, c.act)
		targets["ldaps-"+name] = badTarget{w.ldaps(port), c.tls}
		w.serve(w.Directory, port+1, after(config, c.act))
		targets["ldaps-behind-"+name] = badTarget{w.ldaps(port + 1), c.behind}
		port += 2
	}
	w.servePackets(w.Resolver, 7000, garbage)
	w.servePackets(w.Resolver, 7001, func([]byte) []byte { return nil })
	dns := func(server string) string {
		// Of a name that nothing else here depends on.
		return fmt.Sprintf(`{name: %%s, query: other.example, type: A, servers: ["%s"]}`, server)
	}
	targets["dns-garbage"] = badTarget{dns(w.Resolver.Address("ip4", 7000)), []string{"dns.malformed", "dns.timeout"}}
	targets["dns-silent"] = badTarget{dns(w.Resolver.Address("ip4", 7001)), []string{"dns.timeout"}}
	targets["dns-closed"] = badTarget{dns(w.Resolver.Address("ip4", 7002)), []string{"dns.unreachable"}}
	targets["dns-nobody"] = badTarget{dns("10.77.0.99:53"), []string{"dns.unreachable", "dns.timeout"}}
	targets["tls-no-name"] = badTarget{`{name: %s, address: "nowhere.example:443"}`, []string{"dns.nxdomain"}}
	targets["ldaps-no-name"] = badTarget{strings.Replace(w.ldaps(636), lab.DirectoryName, "nowhere.example", 1),
		[]string{"dns.nxdomain"}}
	targets["tls-dropped"] = badTarget{w.tls(7999), []string{"connect.timeout"}}
	targets["tls-closed"] = badTarget{w.tls(7998), []string{"connect.refused"}}
	return targets
}

func (w world) tls(port uint16) string {
	return fmt.Sprintf(`{name: %%s, address: "%s:%d"}`, lab.CloudName, port)
}

func (w world) ldaps(port uint16) string {
	return fmt.Sprintf(`{name: %%s, url: "ldaps://%s:%d", bind_dn: %q, password_file: %s, base_dn: %q}`,
		lab.DirectoryName, port, lab.BindDN, w.PasswordFile(), lab.StaffDN)
}

// TestBadTargets checks targets that do not exist, talk nonsense, or never answer, all at once: each is called by its
// name, in the time that it was given.
func TestBadTargets(t *testing.T) {
	w := newBox(t, lab.Settings{})
	need(t, "nft")
	drop := "table inet x { chain in { type filter hook input priority 0; tcp dport 7999 drop; }; }"
	if got, err := w.Cloud.Run(within(t, prompt), "nft", drop); err != nil || got.Code != 0 {
		t.Fatal(got, err)
	}
	targets := w.badTargets()
	lines := map[string][]string{}
	for name, target := range targets {
		kind, _, _ := strings.Cut(name, "-")
		lines[kind] = append(lines[kind], "    - "+fmt.Sprintf(target.check, name)+"\n")
	}
	conf := fmt.Sprintf("paths: {state: %[1]s/s, runtime: %[1]s/r}\ntrust: {roots: [%[2]s], java: \"off\"}\nchecks:\n"+
		"  defaults: {interval: 1s, timeout: %[3]s}\n", w.Dir, w.RootsFile(), targetTimeout)
	for kind, list := range lines {
		conf += "  " + kind + ":\n" + strings.Join(list, "")
	}
	if err := w.Write(conf); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	outcome := w.must(2, "check", "-o", "json")
	limit := targetTimeout + alittle
	rounds := len(targets)/16 + 1 // sixteen checks at a time
	if took := time.Since(began); took > time.Duration(rounds*int(limit)) {
		t.Errorf("%d checks took %s", len(targets), took)
	}
	var report lab.Report
	if err := json.Unmarshal([]byte(outcome.Stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Status != "fail" || len(report.Results) != len(targets) {
		t.Errorf("the whole is %s, with %d results of %d", report.Status, len(report.Results), len(targets))
	}
	for name, target := range targets {
		got := report.Of(name)
		t.Logf("%-22s %-18s %4.0f ms  %s", name, got.Cause, got.DurationMS, got.Detail)
		if got.Status != "fail" || !slices.Contains(target.cause, got.Cause) {
			t.Errorf("%s is %s %s (%s), want one of %v", name, got.Status, got.Cause, got.Detail, target.cause)
		}
		if got.Remedy == "" {
			t.Errorf("%s: what is to be done?", name)
		}
		readable(t, got.Detail+"\n"+got.Remedy)
		if got.DurationMS > float64(limit.Milliseconds()) {
			t.Errorf("%s took %.0f ms, with a timeout of %s", name, got.DurationMS, targetTimeout)
		}
	}
	if outcome.Stderr != "" {
		t.Errorf("on stderr: %s", outcome.Stderr)
	}
}
