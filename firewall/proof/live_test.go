package proof

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/internal/kerneltest"
	"sallyport/firewall/kernel"
)

// strangerOf is how a test asks this binary to be a process with a stranger at its side.
const strangerOf = "SALLYPORT_TEST_STRANGER"

// newNamespace puts the test into a fresh network namespace. The thread is never unlocked: the runtime ends it with the
// test's goroutine, and the namespace with it.
func newNamespace(t testing.TB) {
	t.Helper()
	kerneltest.NewNamespace(t)
}

func nft(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		unprepared(t, "the program nft: %v", err)
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Fatalf("nft %v: %v\n%s", args, err, out)
	}
}

func live(t *testing.T, targets ...LiveTarget) map[string]string {
	t.Helper()
	answers, err := Live(t.Context(), targets)
	if errors.Is(err, ErrNoPackets) {
		unprepared(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]string)
	for i, a := range answers {
		if a.LiveTarget != targets[i] {
			t.Errorf("answer %d is of %v, not %v", i, a.LiveTarget, targets[i])
		}
		said[fmt.Sprintf("%s %s", protocolName(a.Protocol), a.To)] = fmt.Sprintf("%t %s", a.In, a.Says)
	}
	if left := interfacesHere(t); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	return said
}

func interfacesHere(t *testing.T) []string {
	t.Helper()
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

func liveTargets() []LiveTarget {
	var all []LiveTarget
	for _, text := range []string{
		"tcp 0.0.0.0:8080", "tcp [::]:8080", "udp 0.0.0.0:161", "udp [::]:161", "udp 0.0.0.0:7",
		"tcp 0.0.0.0:9", "tcp [::]:9", "udp 0.0.0.0:9", "udp [::]:9",
	} {
		protocol, to, _ := strings.Cut(text, " ")
		target := LiveTarget{Protocol: firewall.TCP, To: netip.MustParseAddrPort(to)}
		if protocol == "udp" {
			target.Protocol = firewall.UDP
		}
		all = append(all, target)
	}
	return all
}

// same is that answer of every target.
func same(answer string) map[string]string {
	all := make(map[string]string)
	for _, target := range liveTargets() {
		all[protocolName(target.Protocol)+" "+target.To.String()] = answer
	}
	return all
}

// TestLive holds what a stranger is told: on an open host, by our ruleset, and where somebody has made a hole in that.
func TestLive(t *testing.T) {
	newNamespace(t)
	tcp := listenHere(t)
	open := same("true refused")
	open["tcp 0.0.0.0:8080"], open["tcp [::]:8080"] = "true accepted", "true accepted"
	open["udp 0.0.0.0:161"], open["udp [::]:161"] = "true silence", "true silence"
	open["udp 0.0.0.0:7"] = "true answered"
	open["udp 0.0.0.0:9"], open["udp [::]:9"] = "true unreachable", "true unreachable"
	expectLive(t, "without a ruleset", open)

	c, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	c.SetOwnership(kernel.OwnershipWatch)
	p := hostPolicy()
	p.Allow = nil
	if err := c.Apply(t.Context(), compile(t, p)); err != nil {
		t.Fatal(err)
	}
	expectLive(t, "shut", same("false silence"))

	nft(t, "insert", "rule", "inet", "sallyport", "inbound", "tcp", "dport", "8080", "accept")
	hole := same("false silence")
	hole["tcp 0.0.0.0:8080"], hole["tcp [::]:8080"] = "true accepted", "true accepted"
	expectLive(t, "with a hole", hole)

	nft(t, "delete", "table", "inet", "sallyport")
	nft(t, "add", "table", "ip", "other")
	nft(t, "add", "chain", "ip", "other", "in", "{ type filter hook input priority 0; policy drop; }")
	other := open
	for name := range other {
		if strings.Contains(name, "0.0.0.0") {
			other[name] = "false silence"
		}
	}
	expectLive(t, "shut by another, in IPv4", other)

	// Nobody was told of a connection.
	if err := tcp.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if conn, err := tcp.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection was made: %v, %v", conn, err)
	}
}

func expectLive(t *testing.T, when string, want map[string]string) {
	t.Helper()
	got := live(t, liveTargets()...)
	for name, answer := range want {
		if got[name] != answer {
			t.Errorf("%s: %s: %s, want %s", when, name, got[name], answer)
		}
	}
}

// listenHere listens on TCP 8080 and UDP 161, and answers on UDP 7 over IPv4.
func listenHere(t *testing.T) *net.TCPListener {
	t.Helper()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	silent, err := net.ListenUDP("udp", &net.UDPAddr{Port: 161})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	echo, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 7})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			n, from, err := echo.ReadFromUDPAddrPort(make([]byte, 16))
			if err != nil {
				return
			}
			_, _ = echo.WriteToUDPAddrPort(make([]byte, n+1), from)
		}
	}()
	t.Cleanup(func() { _ = echo.Close(); <-done })
	return tcp
}

// TestLiveIsNobody holds that a stranger's address is of nobody that the host has a route to.
func TestLiveIsNobody(t *testing.T) {
	newNamespace(t)
	for _, command := range []string{
		"link set lo up", "route add blackhole 2001:db8::/32", "route add 198.18.0.0/15 dev lo",
	} {
		out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(command)...).CombinedOutput()
		if err != nil {
			unprepared(t, "ip %s: %v: %s", command, err, out)
		}
	}
	if _, err := Live(t.Context(), liveTargets()); !errors.Is(err, ErrNoPackets) ||
		!strings.Contains(err.Error(), "the host uses 198.18.0.0/15 itself") {
		t.Errorf("on a host with a route to all of the range: %v", err)
	}
	if left := interfacesHere(t); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// strangerMain is a process with a stranger at its side, until somebody ends it.
func strangerMain() int {
	if _, err := newStranger(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// TestLiveKilled holds that nothing is left of a stranger whose process is killed.
func TestLiveKilled(t *testing.T) {
	newNamespace(t)
	child := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^$")
	child.Env = []string{strangerOf + "=1"}
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if said, _ := bufio.NewReader(stdout).ReadString('\n'); said != "ready\n" {
		_ = child.Process.Kill()
		_ = child.Wait()
		unprepared(t, "the child says %q", said)
	}
	if there := interfacesHere(t); len(there) != 2 {
		t.Errorf("before: %v", there)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	if left := interfacesHere(t); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	routes, err := exec.CommandContext(t.Context(), "ip", "route", "show", "table", "all").Output()
	if err != nil || strings.Contains(string(routes), "198.1") || strings.Contains(string(routes), "2001:db8") {
		t.Errorf("left behind: %s %v", routes, err)
	}
}
