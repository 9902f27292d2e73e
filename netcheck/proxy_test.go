package netcheck

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck/memory"
	"sallyport/tlsprobe/tlsprobetest"
)

// TestProxies goes through real proxies to real servers.
func TestProxies(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	chain := []*paper{r.leaf(t), r.intermediate}
	ports := startNginx(t, map[string][]*paper{
		"well": chain, "expired": {r.leaf(t, lasting(-90*oneDay, -3*oneDay)), r.intermediate},
	}, nil)
	old := startOpenSSL(t, chain, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
	mail := startTCP(t, say("220 mail.test ESMTP\r\n"))
	closed := uint16(freePort(t))
	open, known := startSquid(t)
	tiny := startTinyproxy(t, ports["well"])
	right, wrong := secretFile(t, proxyPassword+"\n"), secretFile(t, "guess")
	secret := secretFile(t, "secret")
	forbids := javaHome(t, "JKS", r.root.Cert) // as it is installed
	allows := allowingBasic(t, forbids)
	tests := []struct {
		name   string
		proxy  Proxy
		port   uint16
		status check.Status
		cause  check.Cause
		words  string
		phase  string
	}{
		{"Squid", Proxy{Port: open}, ports["well"], check.OK, "", "TLS 1.3, certificate valid until", "tls"},
		{"expired", Proxy{Port: open}, ports["expired"], check.Fail, check.CertExpired, "expired on", "tls"},
		{"old", Proxy{Port: open}, old, check.Fail, check.TLSLegacy, "nothing newer than TLS 1.1", "tls"},
		{"mail", Proxy{Port: open}, mail, check.Fail, check.TLSNotTLS, `it said "220 mail.test ESMTP`, "tls"},
		{"dead end", Proxy{Port: open}, closed, check.Fail, check.ProxyDenied,
			"answers 503 Service Unavailable (ERR_CONNECT_FAIL 111)", "proxy"},
		{"nobody", Proxy{Port: known}, ports["well"], check.Fail, check.ProxyAuth,
			"asks for authentication by Basic (407), and the check has no user", "proxy"},
		{"somebody", Proxy{Port: known, User: "monitor", PasswordFile: right}, ports["well"], check.OK, "", "TLS 1.3",
			"tls"},
		{"wrong", Proxy{Port: known, User: "monitor", PasswordFile: wrong}, ports["well"], check.Fail, check.ProxyAuth,
			"does not take the user and the password", "proxy"},
		{"no file", Proxy{Port: known, User: "monitor", PasswordFile: "/nowhere"}, ports["well"], check.Fail,
			check.ProxyAuth,
			"none was sent: password file: open /nowhere", "proxy"},
		{"colon", Proxy{Port: known, User: "a:b", PasswordFile: right}, ports["well"], check.Fail, check.ProxyAuth,
			"the user has a colon", "proxy"},
		{"Tinyproxy, nobody", Proxy{Port: tiny}, ports["well"], check.Fail, check.ProxyAuth, "by Basic (407)", "proxy"},
		{"Tinyproxy", Proxy{Port: tiny, User: "monitor", PasswordFile: secret}, ports["well"], check.OK, "", "TLS 1.3",
			"tls"},
		{"Tinyproxy, wrong port", Proxy{Port: tiny, User: "monitor", PasswordFile: secret}, mail, check.Fail,
			check.ProxyDenied,
			"answers 403 ", "proxy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.proxy.Host = "127.0.0.1"
			target := localTarget(test.port, r.roots)
			target.Proxy = &test.proxy
			result := expectResult(t, target, test.status, test.cause, test.words, test.phase)
			want := fmt.Sprintf("127.0.0.1:%d via 127.0.0.1:%d", test.port, test.proxy.Port)
			if len(result.Endpoints) != 1 || result.Endpoints[0].Address != want {
				t.Errorf("endpoints %+v, want %s", result.Endpoints, want)
			}
			if evidence, ok := result.Evidence.(*TLSEvidence); test.phase == "tls" && ok && evidence.Version != "" &&
				evidence.Connections[0].Proxy != fmt.Sprintf("127.0.0.1:%d", test.proxy.Port) {
				t.Errorf("evidence %+v", evidence.Connections)
			}
		})
	}
	for home, want := range map[string]check.Status{forbids: check.Warn, allows: check.OK} {
		target := localTarget(ports["well"], r.roots)
		target.Proxy = &Proxy{Host: "127.0.0.1", Port: known, User: "monitor", PasswordFile: right}
		target.Java = watching(home)
		cause, words := check.ProxyAuth, "jdk.http.auth.tunneling.disabledSchemes forbids it ("+home+"/conf/net.properties)"
		if want == check.OK {
			cause, words = "", "TLS 1.3"
		}
		expectResult(t, target, want, cause, words, "tls")
		target.Proxy = &Proxy{Host: "127.0.0.1", Port: open} // which asks for nobody
		expectResult(t, target, check.OK, "", "TLS 1.3", "tls")
	}
	target := TLSTarget{Server: Server{Host: "forbidden.test", Port: 443, Proxy: &Proxy{Host: "127.0.0.1", Port: open}}}
	expectResult(t, target, check.Fail, check.ProxyDenied,
		"does not connect to forbidden.test:443: it answers 403 Forbidden (ERR_ACCESS_DENIED 0)", "proxy")
	target = localTarget(ports["well"], r.roots)
	target.Proxy, target.HTTP = &Proxy{Host: "127.0.0.1", Port: open}, &HTTPRequest{Method: "HEAD", Path: "/nowhere",
		Statuses: []StatusRange{{404, 404}}}
	result := expectResult(t, target, check.OK, "", "HTTP 404 Not Found", "http")
	var phases []string
	for _, p := range result.Endpoints[0].Phases {
		phases = append(phases, p.Name)
	}
	if !slices.Equal(phases, []string{"dns", "connect", "proxy", "tls", "http"}) {
		t.Errorf("phases %v", phases)
	}
}

// TestProxyHostile has what answers as a proxy be none, or a bad one. It fails in the phase of the proxy, in time, and the
// target is not blamed.
func TestProxyHostile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		serve func(*net.TCPConn)
		cause check.Cause
		words string
	}{
		{"silence", untilClosed, check.ProxyRefused, "does not open a tunnel: no answer in time"},
		{"hangs up", takeHello, check.ProxyRefused, "closed without an answer"},
		{"resets", func(conn *net.TCPConn) { takeHello(conn); resetNow(conn) }, check.ProxyRefused,
			"reset without an answer"},
		{"drips", say("HTTP/1.1 200 OK\r\nVia"), check.ProxyRefused, "no answer in time, only 20 octets"},
		{"SSH", say("SSH-2.0-x\x1b[2J\r\n"), check.ProxyRefused, `not HTTP: it said "SSH-2.0-x\x1b[2J\r\n"`},
		{"TLS", func(conn *net.TCPConn) { takeHello(conn); say("\x15\x03\x03\x00\x02\x02\x46")(conn) }, check.ProxyRefused,
			"it speaks TLS there"},
		{"endless", say("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<17)), check.ProxyRefused, "larger than 64 KiB"},
		{"Windows", say("HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n"),
			check.ProxyAuth,
			"by Negotiate, NTLM alone (407), which this check does not do"},
		{"says nothing of how", say("HTTP/1.1 407 x\r\n\r\n"), check.ProxyAuth, "does not say by which scheme"},
		{"redirects", say("HTTP/1.1 302 Go\x1b[31m away\r\nLocation: x\r\n\r\n"), check.ProxyDenied, `302 Go\x1b[31m away`},
	}
	secret := secretFile(t, "secret")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			port := startTCP(t, test.serve)
			target := localTarget(443, nil)
			target.Proxy = &Proxy{Host: "127.0.0.1", Port: port, User: "monitor", PasswordFile: secret}
			result := inTime(t, time.Second, TLS(target))
			if result.Cause != test.cause || !strings.Contains(result.Detail, test.words) || lastPhase(result) != "proxy" {
				t.Errorf("%s in %s: %s; want %s: …%s…", result.Cause, lastPhase(result), result.Detail, test.cause,
					test.words)
			}
		})
	}
	target := localTarget(443, nil)
	target.Proxy = &Proxy{Host: "127.0.0.1", Port: uint16(freePort(t))}
	expectResult(t, target, check.Fail, check.ProxyRefused, "cannot be reached: the connection is refused", "connect")
	target.Proxy.Host = "proxy.invalid"
	if result := TLS(target)(withTimeout(t, time.Second)); result.Cause.Layer() != check.LayerDNS {
		t.Errorf("%s: %s", result.Cause, result.Detail)
	}
}

// TestProxyPasswordOnce: a password that a proxy has refused is not sent to it again, as long as it is the same: not by
// checks that run at the same time, and not after a restart.
func TestProxyPasswordOnce(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	port := startTCP(t, func(conn *net.TCPConn) {
		buffer := make([]byte, 1<<12)
		n, _ := conn.Read(buffer)
		if strings.Contains(string(buffer[:n]), "Proxy-Authorization: ") {
			sent.Add(1)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
	})
	file, state := secretFile(t, "guess"), t.TempDir()
	started := func() TLSTarget {
		target := localTarget(443, nil)
		target.Proxy = &Proxy{Host: "127.0.0.1", Port: port, User: "monitor", PasswordFile: file,
			Refused: NewRefusedSecrets(memory.Folder{State: state})}
		return target
	}
	target := started()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { TLS(target)(withTimeout(t, 4*time.Second)) })
	}
	all.Wait()
	for range 3 {
		target = started()
		expectResult(t, target, check.Fail, check.ProxyAuth, "held back, so as not to lock the account", "proxy")
	}
	if sent.Load() != 1 {
		t.Errorf("the password was sent %d times", sent.Load())
	}
	if err := target.Proxy.Refused.ReleaseProxy(t.Context(), *target.Proxy); err != nil {
		t.Error(err)
	}
	expectResult(t, target, check.Fail, check.ProxyAuth, "does not take", "proxy")
	writeFile(t, file, "another guess")
	expectResult(t, target, check.Fail, check.ProxyAuth, "does not take", "proxy")
	if sent.Load() != 3 {
		t.Errorf("the passwords were sent %d times", sent.Load())
	}
}

// TestProxyPasswordIsGoodUntilRefused: one that was good is sent by all checks at once, and after the first refusal by none.
func TestProxyPasswordIsGoodUntilRefused(t *testing.T) {
	t.Parallel()
	var refusing atomic.Bool
	var sent, together, most atomic.Int64
	port := startTCP(t, func(conn *net.TCPConn) {
		buffer := make([]byte, 1<<12)
		n, _ := conn.Read(buffer)
		if !strings.Contains(string(buffer[:n]), "Proxy-Authorization: ") {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
			return
		}
		sent.Add(1)
		if refusing.Load() {
			_, _ = io.WriteString(conn, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
			return
		}
		most.Store(max(most.Load(), together.Add(1)))
		defer together.Add(-1)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
		untilClosed(conn)
	})
	target := localTarget(443, nil)
	target.Proxy = &Proxy{Host: "127.0.0.1", Port: port, User: "monitor", PasswordFile: secretFile(t, "right"),
		Refused: NewRefusedSecrets(memory.Folder{State: t.TempDir()})}
	run := TLS(target)
	run(withTimeout(t, 500*time.Millisecond))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { run(withTimeout(t, time.Second)) })
	}
	all.Wait()
	if most.Load() < 2 {
		t.Error("a password that is known to be good has checks wait for one another")
	}
	refusing.Store(true)
	expectResult(t, target, check.Fail, check.ProxyAuth, "does not take", "proxy")
	before := sent.Load()
	expectResult(t, target, check.Fail, check.ProxyAuth, "held back", "proxy")
	if sent.Load() != before {
		t.Error("a password that was refused is sent again")
	}
}

// TestInsideProxyAddresses: of a proxy with two addresses, the first that takes the connection is used; with none, the
// first is told, and where this host has no way to any of them, that.
func TestInsideProxyAddresses(t *testing.T) {
	inside(t)
	port := startTCPAt(t, "127.0.0.2:0", say("HTTP/1.1 403 No\r\n\r\n"))
	target := TLSTarget{Server: Server{Host: "a.test", Port: 443, Proxy: &Proxy{Host: "half.test", Port: port}}}
	told := make(chan string, 1)
	target.Reaching = func(_ context.Context, host string, addresses []netip.Addr) map[netip.Addr]string {
		told <- fmt.Sprintf("%s at %d addresses", host, len(addresses))
		return nil
	}
	result := expectResult(t, target, check.Fail, check.ProxyDenied,
		fmt.Sprintf("the proxy half.test:%d (127.0.0.2:%d) does not connect to a.test:443: it answers 403 No", port,
			port), "proxy")
	if want := fmt.Sprintf("a.test:443 via 127.0.0.2:%d", port); len(result.Endpoints) != 1 ||
		result.Endpoints[0].Address != want {
		t.Errorf("endpoints %+v, want one, %s", result.Endpoints, want)
	}
	if got := <-told; got != "half.test at 2 addresses" {
		t.Errorf("it was told to reach %s: a host behind a proxy is not reached", got)
	}
	target.Reaching = nil
	leavesNothing(t, TLS(target))
	target.Proxy.Port = uint16(freePort(t))
	expectResult(t, target, check.Fail, check.ProxyRefused, "cannot be reached: the connection is refused", "connect")
	target.Proxy.Host = "six.test"
	expectResult(t, target, check.Fail, check.ConnectNoAddress, "only IPv6", "connect")
	target.Proxy.Host, target.Source = "half.test", netip.MustParseAddr("203.0.113.5")
	expectResult(t, target, check.Fail, check.ConnectSource, "203.0.113.5 is not an address of this host", "connect")
}

// leavesNothing runs a check again and again, and wants every descriptor given back, the servers' of this process too.
func leavesNothing(t *testing.T, run func(context.Context) check.Result) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close what was forgotten
	before := descriptors(t)
	for range 100 {
		run(withTimeout(t, time.Second))
	}
	eventually(t, "every connection is closed", func() bool { return descriptors(t) <= before })
}

// TestInsideNothingIsLeft wants no descriptor left of checks that go wrong at each of their steps.
func TestInsideNothingIsLeft(t *testing.T) {
	inside(t)
	r := newRegistry(t)
	port := startSmallTLS(t, "127.0.0.1:0", tlsprobetest.Chain(r.leaf(t), r.intermediate))
	ask := startTCP(t, func(conn *net.TCPConn) {
		takeHello(conn)
		_, _ = io.WriteString(conn, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\n")
	})
	plain, strange := localTarget(port, r.roots), localTarget(port, nil)
	closed, asks := localTarget(1, nil), localTarget(1, nil)
	asks.Proxy = &Proxy{Host: "127.0.0.1", Port: ask, User: "monitor", PasswordFile: secretFile(t, "secret")}
	for _, target := range []TLSTarget{plain, strange, closed, asks} {
		leavesNothing(t, TLS(target))
	}
}

// TestTunnelOfJava has a real JVM go through Squid: it asks without a user first, and authenticates by Basic only where it
// is told to. That is what jvm.Way.BasicDisabled is about.
func TestTunnelOfJava(t *testing.T) {
	t.Parallel()
	java, javac := needProgram(t, "java"), needProgram(t, "javac")
	port := startTCP(t, untilClosed)
	_, known := startSquid(t)
	folder := t.TempDir()
	source := filepath.Join(folder, "Tunnel.java")
	writeFile(t, source, `
import java.net.*;
public class Tunnel {
	public static void main(String[] a) throws Exception {
		Authenticator.setDefault(new Authenticator() {
			protected PasswordAuthentication getPasswordAuthentication() {
				return new PasswordAuthentication("java", a[2].toCharArray());
			}
		});
		Proxy proxy = new Proxy(Proxy.Type.HTTP, new InetSocketAddress("127.0.0.1", Integer.parseInt(a[0])));
		URLConnection c = new URL("https://127.0.0.1:" + a[1] + "/").openConnection(proxy);
		c.setReadTimeout(500);
		try { c.getInputStream(); } catch (Exception e) { System.out.println(e); }
	}
}
`)
	if out, err := exec.Command(javac, "-J-XX:TieredStopAtLevel=1", "-d", folder, source).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v: %s", err, out)
	}
	for option, want := range map[string]string{
		"-Dx=": "Proxy returns \"HTTP/1.1 407 Proxy Authentication Required\"",
		"-Djdk.http.auth.tunneling.disabledSchemes=": "java.net.SocketTimeoutException", // the tunnel is there, and silent
	} {
		out, err := exec.Command(java, "-XX:TieredStopAtLevel=1", option, "-cp", folder, "Tunnel", fmt.Sprint(known),
			fmt.Sprint(port), javaPassword).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s, want %s", option, err, out, want)
		}
	}
}
