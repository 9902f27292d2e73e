package guard_test

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/guard"
)

// outside is a namespace joined to the test's, from which strangers come. It returns what has something done there.
func outside(t *testing.T) func(func()) {
	t.Helper()
	calls, thread, ended := make(chan func()), make(chan int), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the namespace ends with the thread
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			thread <- 0
			return
		}
		thread <- unix.Gettid()
		for f := range calls {
			f()
		}
	}()
	tid := <-thread
	if tid == 0 {
		unprepared(t, "a second network namespace")
	}
	t.Cleanup(func() { close(calls); <-ended })
	do := func(f func()) {
		done := make(chan struct{})
		calls <- func() { defer close(done); f() }
		<-done
	}
	run := func(lines ...string) {
		for _, line := range lines {
			if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
				t.Errorf("ip %s: %v\n%s", line, err, out)
			}
		}
	}
	run("link add h0 type veth peer name p0", "link set p0 netns "+strconv.Itoa(tid), "addr add 10.88.0.1/24 dev h0",
		"link set h0 up", "link set lo up")
	do(func() {
		run("addr add 10.88.0.9/24 dev p0", "addr add 10.88.0.66/24 dev p0", "link set p0 up", "link set lo up")
	})
	return do
}

func dialFrom(from string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from + ":0"))}
	return d.Dial("tcp", "10.88.0.1:22")
}

// TestIntrudersAreCut lets a stranger in between a flush and its repair: the session is reset at both ends and named, and
// that of an admin, from before, goes on.
func TestIntrudersAreCut(t *testing.T) {
	live := inNamespace(t)
	do := outside(t)
	policy := firewall.Policy{Management: []firewall.Exception{{
		Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
		From: []netip.Prefix{netip.MustParsePrefix("10.88.0.9/32")},
	}}}
	rules, err := firewall.Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	g := guard.New(live, slog.New(slog.DiscardHandler))
	if err := errors.Join(g.Put(t.Context(), rules, true), g.Know(t.Context(), policy)); err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "10.88.0.1:22")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	connect := func(from string) (theirs, ours net.Conn) {
		t.Helper()
		do(func() { theirs, err = dialFrom(from) })
		if err == nil {
			ours, err = listener.Accept()
		}
		if err != nil {
			t.Fatalf("from %s: %v", from, err)
		}
		return theirs, ours
	}
	admin, adminHere := connect("10.88.0.9")
	nft(t, "flush", "ruleset")
	stranger, strangerHere := connect("10.88.0.66")
	r := g.Look(t.Context()).Result
	if r.Cause != check.FirewallRepaired || !strings.Contains(r.Detail, "1 of 1 connections") ||
		!strings.Contains(r.Detail, "from 10.88.0.66 to port 22") {
		t.Errorf("%v %s: %s", r.Status, r.Cause, r.Detail)
	}
	e, _ := r.Evidence.(guard.Evidence)
	want := guard.Connection{
		From: netip.MustParseAddrPort(stranger.LocalAddr().String()), To: netip.MustParseAddrPort("10.88.0.1:22"), Cut: true,
	}
	if len(e.Connections) != 1 || e.Connections[0] != want || e.Intruders != 1 {
		t.Errorf("%+v, want %+v", e.Connections, want)
	}
	for name, conn := range map[string]net.Conn{"the stranger's end": stranger, "this end": strangerHere} {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := conn.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("%s: %v, want it reset", name, err)
		}
		_ = conn.Close()
	}
	if _, err := admin.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	_ = adminHere.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(adminHere, make([]byte, 1)); err != nil {
		t.Errorf("the admin's session: %v", err)
	}
	_ = errors.Join(admin.Close(), adminHere.Close())
}
