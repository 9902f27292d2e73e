package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

const (
	hostV4, adminV4, strangerV4 = "10.77.0.1", "10.77.0.9", "10.77.0.66"
	hostV6, adminV6, strangerV6 = "fd77::1", "fd77::9", "fd77::66"

	// dropped is how long a connection may stay without an answer until it counts as dropped.
	dropped = 400 * time.Millisecond
	// patience is how long what must come is waited for on a busy machine.
	patience = 10 * time.Second
)

// neighbour is a second network namespace, joined to the test's by a pair of veth devices. What it is told to do, it does
// on its own thread.
type neighbour struct {
	do   chan func()
	done chan struct{}
}

func newNeighbour(t *testing.T) *neighbour {
	t.Helper()
	n := &neighbour{do: make(chan func()), done: make(chan struct{})}
	ready := make(chan int)
	go func() {
		defer close(n.done)
		runtime.LockOSThread() // never unlocked: the namespace ends with the thread
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			close(ready)
			return
		}
		ready <- unix.Gettid()
		for f := range n.do {
			f()
		}
	}()
	tid, ok := <-ready
	t.Cleanup(func() { close(n.do); <-n.done })
	if !ok {
		unprepared(t, "a second network namespace")
	}
	ip(t, "link add h0 type veth peer name p0")
	ip(t, "link set p0 netns "+strconv.Itoa(tid))
	ip(t, "addr add "+hostV4+"/24 dev h0", "addr add "+hostV6+"/64 dev h0 nodad", "link set h0 up", "link set lo up")
	n.run(func() {
		for _, a := range []string{adminV4 + "/24", strangerV4 + "/24", adminV6 + "/64", strangerV6 + "/64"} {
			ip(t, "addr add "+a+" dev p0"+map[bool]string{true: " nodad"}[strings.Contains(a, ":")])
		}
		ip(t, "link set p0 up", "link set lo up")
		eventually(t, "the neighbour is reached", func() bool { return reached(t, "p0", adminV6, strangerV6) })
	})
	eventually(t, "the host is reached", func() bool { return reached(t, "h0", hostV6) })
	return n
}

// reached says whether the device passes packets on and hears who asks for the addresses (RFC 4861 §7.2.1). The kernel
// joins their groups in a worker of its own, also without duplicate address detection: until then a question is lost, and
// is asked again a second later only.
func reached(t testing.TB, dev string, addrs ...string) bool {
	t.Helper()
	link, err := exec.CommandContext(t.Context(), "ip", "-o", "link", "show", dev).Output()
	if err != nil {
		t.Error(err)
	}
	groups, err := exec.CommandContext(t.Context(), "ip", "-6", "maddr", "show", dev).Output()
	if err != nil {
		t.Error(err)
	}
	heard := strings.Fields(string(groups))
	return strings.Contains(string(link), " state UP ") && !slices.ContainsFunc(addrs, func(a string) bool {
		addr := netip.MustParseAddr(a).As16()
		group := netip.MustParseAddr("ff02::1:ff00:0").As16()
		copy(group[13:], addr[13:])
		return !slices.Contains(heard, netip.AddrFrom16(group).String())
	})
}

// eventually waits until the condition holds. It does not end the test: it also runs on the thread of the neighbour.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			t.Errorf("not within %s: %s", patience, what)
			return
		}
		<-tick.C
	}
}

func (n *neighbour) run(f func()) {
	ended := make(chan struct{})
	n.do <- func() { defer close(ended); f() }
	<-ended
}

// ip runs the program ip in the namespace of the calling thread. It does not end the test: it also runs on the thread of
// the neighbour.
func ip(t testing.TB, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			t.Errorf("ip %s: %v\n%s", c, err, out)
		}
	}
}

// dial connects from an address in the namespace of the calling thread.
func dial(from, to string, port int) (net.Conn, error) { return dialWithin(dropped, from, to, port) }

func dialWithin(within time.Duration, from, to string, port int) (net.Conn, error) {
	d := net.Dialer{Timeout: within, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
	return d.Dial("tcp", net.JoinHostPort(to, strconv.Itoa(port)))
}

// timedOut tells silence from a refusal.
func timedOut(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

func listen(t *testing.T, port int) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = l.Close() }) // nothing is asked of it any more
	return l
}

func adminsOnly(from ...string) firewall.Policy {
	return firewall.Policy{Ping: true, Management: []firewall.Exception{
		{Name: "ssh", Ports: ports("22/tcp"), From: prefixes(from...)},
		{Name: "other", Ports: ports("80/tcp"), From: prefixes("192.0.2.0/24")},
	}}
}

// TestPackets sends real ones: the admin gets in, the stranger does not, exceptions do not cross, the host gets its
// answers, neighbours find each other, and who is taken off the list is cut off.
func TestPackets(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	c := open4Test(t)
	if err := c.Apply(t.Context(), compile(t, adminsOnly(adminV4+"/32", adminV6+"/128"))); err != nil {
		t.Fatal(err)
	}
	ssh := listen(t, 22)
	listen(t, 80)
	peer.run(func() { listen(t, 8443) })

	t.Run("in", func(t *testing.T) {
		for _, c := range []struct {
			from, to string
			port     int
			in       bool
		}{
			{adminV4, hostV4, 22, true}, {strangerV4, hostV4, 22, false}, {adminV4, hostV4, 80, false},
			{adminV6, hostV6, 22, true}, {strangerV6, hostV6, 22, false}, {adminV6, hostV6, 80, false},
		} {
			var err error
			peer.run(func() {
				var conn net.Conn
				if conn, err = dial(c.from, c.to, c.port); err == nil {
					err = conn.Close()
				}
			})
			if c.in && err != nil || !c.in && !timedOut(err) {
				t.Errorf("from %s to port %d: %v, want in: %t", c.from, c.port, err, c.in)
			}
		}
	})
	// Not in a subtest: that runs on a thread of another namespace.
	for from, to := range map[string]string{hostV4: strangerV4, hostV6: strangerV6} {
		conn, err := dial(from, to, 8443)
		if err != nil {
			t.Errorf("out to %s: %v", to, err)
			continue
		}
		_ = conn.Close()
	}
	cutOff(t, c, peer, ssh)
}

// cutOff takes the admin off the list while a connection of his is established.
func cutOff(t *testing.T, c *Conn, peer *neighbour, ssh net.Listener) {
	t.Helper()
	var out net.Conn
	var err error
	peer.run(func() { out, err = dial(adminV4, hostV4, 22) })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	in := acceptFrom(t, ssh, out.LocalAddr().String())
	defer func() { _ = in.Close() }()
	exchange := func() error {
		if _, err := out.Write([]byte("x")); err != nil {
			return err
		}
		if err := in.SetReadDeadline(time.Now().Add(dropped)); err != nil {
			return err
		}
		_, err := in.Read(make([]byte, 1))
		return err
	}
	if err := exchange(); err != nil {
		t.Fatalf("before: %v", err)
	}
	if err := c.Apply(t.Context(), compile(t, adminsOnly(strangerV4+"/32"))); err != nil {
		t.Fatal(err)
	}
	if err := exchange(); !timedOut(err) {
		t.Errorf("an established connection of who was taken off the list: %v, want silence", err)
	}
	if got := runNft(t, "", "list", "counter", "inet", "sallyport", "c_revoked"); strings.Contains(got, "packets 0 ") {
		t.Errorf("what was cut off is not counted: %s", got)
	}
}

// TestNeighbourWithoutRoute holds that a neighbour finds the host also when it asks from an address to which the host's
// route leads by another interface.
func TestNeighbourWithoutRoute(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	if err := open4Test(t).Apply(t.Context(), compile(t, adminsOnly(adminV6+"/128"))); err != nil {
		t.Fatal(err)
	}
	const elsewhere = "2001:db8:99::9"
	peer.run(func() {
		ip(t, "addr add "+elsewhere+"/128 dev p0 nodad")
		conn, err := dial(elsewhere, hostV6, 22) // dropped: no route leads back
		if err == nil {
			_ = conn.Close()
		}
		if !timedOut(err) {
			t.Errorf("from a source that cannot be: %v, want silence", err)
		}
		// Asked three times, a second between, before it fails (RFC 4861 §10: MAX_MULTICAST_SOLICIT, RETRANS_TIMER).
		eventually(t, "the neighbour finds the host", func() bool {
			out, err := exec.CommandContext(t.Context(), "ip", "neigh", "show", "to", hostV6, "dev", "p0").Output()
			if err != nil {
				t.Error(err)
			}
			return strings.Contains(string(out), "lladdr")
		})
	})
}

// TestRouterWithoutRoute holds that an ICMP error is judged, whatever router on the way it is from, and that nothing else
// from there is.
func TestRouterWithoutRoute(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	if err := open4Test(t).Apply(t.Context(), compile(t, adminsOnly(adminV4+"/32"))); err != nil {
		t.Fatal(err)
	}
	const router = "198.51.100.9"
	// Checksums over 8 bytes of header and none of content: the kernel's business, not the ruleset's.
	needFragmentation, echo := []byte{3, 4, 0xfc, 0xfb, 0, 0, 0, 0}, []byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}
	for _, test := range []struct {
		message []byte
		spoofed string
	}{{needFragmentation, "packets 0 "}, {echo, "packets 1 "}} {
		peer.run(func() {
			ip(t, "addr replace "+router+"/32 dev p0")
			conn, err := net.ListenIP("ip4:icmp", &net.IPAddr{IP: net.ParseIP(router)})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			if _, err := conn.WriteTo(test.message, &net.IPAddr{IP: net.ParseIP(hostV4)}); err != nil {
				t.Error(err)
			}
			// What follows on the same way, and is answered, has been judged after it.
			eventually(t, "the host answers", func() bool {
				conn, err := dial(adminV4, hostV4, 22)
				if err == nil {
					_ = conn.Close()
				}
				return !timedOut(err)
			})
		})
		// Save where the machine moved the sender to another processor between them.
		eventually(t, fmt.Sprintf("%safter a message of type %d", test.spoofed, test.message[0]), func() bool {
			return strings.Contains(runNft(t, "", "list", "counter", "inet", "sallyport", "c_spoof"), test.spoofed)
		})
	}
}

// acceptFrom takes the connection that has this address at the other end; earlier ones are still in the queue.
func acceptFrom(t *testing.T, l net.Listener, remote string) net.Conn {
	t.Helper()
	for range 10 {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if conn.RemoteAddr().String() == remote {
			return conn
		}
		_ = conn.Close()
	}
	t.Fatalf("no connection from %s", remote)
	return nil
}
