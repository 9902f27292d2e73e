package sockets

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/internal/kerneltest"
)

// TestPeersOfAnotherTable has a network for management with a routing table of its own: the packets of who comes in there
// come by its interface, though the way to the peer from any other address is another one.
func TestPeersOfAnotherTable(t *testing.T) {
	kerneltest.NewNamespace(t)
	there, thread := elsewhere(t)
	if _, err := exec.LookPath("ip"); err != nil {
		kerneltest.Unprepared(t, "the program ip: %v", err)
	}
	plug := func(device string) string {
		return "link add " + device + " type veth peer name " + device + " netns " + strconv.Itoa(thread)
	}
	addresses := func(host string) error {
		return kerneltest.IP(t.Context(), "addr add 10.20.0."+host+"/24 dev eth0", "link set eth0 up",
			"addr add 10.30.0."+host+"/24 dev mgmt0", "addr add 2001:db8:30::"+host+"/64 dev mgmt0 nodad",
			"link set mgmt0 up")
	}
	err := errors.Join(kerneltest.IP(t.Context(), "link set lo up", plug("eth0"), plug("mgmt0")), addresses("1"),
		there(func() error {
			return errors.Join(addresses("9"), kerneltest.IP(t.Context(), "addr add 198.51.100.9/32 dev mgmt0",
				"addr add 2001:db8:51::9/128 dev mgmt0 nodad"))
		}),
		kerneltest.IP(t.Context(), "route add default via 10.20.0.9", "-6 route add default dev eth0",
			"rule add from 10.30.0.0/24 table 30", "route add default via 10.30.0.9 table 30",
			"-6 rule add from 2001:db8:30::/64 table 30", "-6 route add default via 2001:db8:30::9 dev mgmt0 table 30"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := listenPlain(t, "[::]:22")
	if err != nil {
		t.Fatal(err)
	}
	var want []firewall.Peer
	for from, to := range map[string]string{
		"198.51.100.9:1001": "10.30.0.1:22", "[2001:db8:51::9]:1002": "[2001:db8:30::1]:22",
	} {
		connect(t, l, func() (conn net.Conn, err error) {
			err = there(func() error { conn, err = dialPlain(t.Context(), from, to); return err })
			return conn, err
		})
		p := peer(to, from, true)
		p.Interface = "mgmt0"
		want = append(want, p)
	}
	wantPeers(t, want)
}

// elsewhere is a thread in another namespace, and how to have something done there.
func elsewhere(t *testing.T) (do func(func() error) error, thread int) {
	t.Helper()
	calls, results, begun := make(chan func() error), make(chan error), make(chan int)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			begun <- 0
			return
		}
		begun <- unix.Gettid()
		for call := range calls {
			results <- call()
		}
	}()
	thread = <-begun
	if thread == 0 {
		kerneltest.Unprepared(t, "a second network namespace")
	}
	t.Cleanup(func() { close(calls); <-ended })
	return func(f func() error) error { calls <- f; return <-results }, thread
}

// listenPlain is without MPTCP, whose listeners are other sockets.
func listenPlain(t *testing.T, address string) (net.Listener, error) {
	how := net.ListenConfig{}
	how.SetMultipathTCP(false)
	l, err := how.Listen(t.Context(), "tcp", address)
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return l, err
}

// connect connects to a listener and keeps both ends open until the test ends.
func connect(t *testing.T, l net.Listener, dial func() (net.Conn, error)) {
	t.Helper()
	client, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(client.Close(), server.Close()) })
}

func dialPlain(ctx context.Context, from, to string) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if from != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))
	}
	return d.DialContext(ctx, "tcp", to)
}

// TestPeers lists real connections between two namespaces: IPv4, IPv6, IPv4 to a socket of both families, one that went
// out, one whose listener is gone; and not those of the host with itself.
func TestPeers(t *testing.T) {
	kerneltest.NewNamespace(t)
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = here.Close() }()
	there, thread := elsewhere(t)
	if _, err := exec.LookPath("ip"); err != nil {
		kerneltest.Unprepared(t, "the program ip: %v", err)
	}
	configure := func(host string) error {
		return kerneltest.IP(t.Context(), "addr add 10.20.0."+host+"/24 dev eth0",
			"addr add 2001:db8::"+host+"/64 dev eth0 nodad", "addr add fe80::"+host+"/64 dev eth0 nodad",
			"link set eth0 up", "route add 198.51.100.0/24 dev eth0")
	}
	plug := "link add eth0 type veth peer name eth0 netns " + strconv.Itoa(thread)
	err = errors.Join(kerneltest.IP(t.Context(), "link set lo up", plug), configure("1"),
		there(func() error {
			return errors.Join(configure("9"), kerneltest.IP(t.Context(), "addr add 198.51.100.9/32 dev eth0"))
		}))
	if err != nil {
		t.Fatal(err)
	}
	from := func(from, to string) func() (net.Conn, error) {
		return func() (conn net.Conn, err error) {
			err = there(func() error { conn, err = dialPlain(t.Context(), from, to); return err })
			return conn, err
		}
	}
	both, err1 := listenPlain(t, "[::]:22")
	four, err2 := listenPlain(t, "10.20.0.1:2222")
	gone, err3 := listenPlain(t, "10.20.0.1:2200")
	var far net.Listener
	err4 := there(func() (err error) { far, err = listenPlain(t, "[::]:80"); return err })
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	connect(t, both, from("10.20.0.9:1001", "10.20.0.1:22"))
	connect(t, both, from("[2001:db8::9]:1002", "[2001:db8::1]:22"))
	connect(t, four, from("10.20.0.9:1003", "10.20.0.1:2222"))
	connect(t, gone, from("10.20.0.9:1004", "10.20.0.1:2200"))
	_ = gone.Close()
	for _, itself := range []string{"127.0.0.1:22", "10.20.0.1:22", "[::1]:22", "[2001:db8::1]:22"} {
		connect(t, both, func() (net.Conn, error) { return dialPlain(t.Context(), "", itself) })
	}
	connect(t, both, from("[fe80::9%eth0]:1005", "[fe80::1%eth0]:22"))
	connect(t, both, from("198.51.100.9:1006", "10.20.0.1:22")) // behind a router
	connect(t, far, func() (net.Conn, error) { return dialPlain(t.Context(), "10.20.0.1:33333", "10.20.0.9:80") })
	connect(t, far, func() (net.Conn, error) { return dialPlain(t.Context(), "10.20.0.1:20000", "10.20.0.9:80") })

	want := []firewall.Peer{
		peer("10.20.0.1:22", "10.20.0.9:1001", true), peer("[2001:db8::1]:22", "[2001:db8::9]:1002", true),
		peer("10.20.0.1:2222", "10.20.0.9:1003", true), peer("10.20.0.1:2200", "10.20.0.9:1004", false),
		peer("10.20.0.1:20000", "10.20.0.9:80", false), peer("[fe80::1]:22", "[fe80::9]:1005", true),
		peer("10.20.0.1:22", "198.51.100.9:1006", true),
	}
	wantPeers(t, want)
	t.Run("without rights", func(t *testing.T) {
		runtime.LockOSThread() // never unlocked: the thread loses its capabilities for good
		if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Fatal(err)
		}
		data := [2]unix.CapUserData{}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&header, &data[0]); err != nil {
			t.Fatal(err)
		}
		wantPeers(t, want)
	})
	if err := os.WriteFile(portRange, []byte("2100 40000"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantPeers(t, slices.DeleteFunc(want, func(p firewall.Peer) bool { return !p.Listened }))
}

func TestPortsGiven(t *testing.T) {
	for text, want := range map[string]given{
		"32768\t60999\n": {32768, 60999}, "1024 65535": {1024, 65535},
		"": {}, "1024": {}, "0 0\n": {}, "-1 9": {}, "x y": {},
	} {
		if got := parsePorts(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if g := (given{}); g.has(0) || g.has(1024) || !(given{1, 2}).has(2) || (given{1, 2}).has(3) {
		t.Error("none is in an empty range, and both ends are in another")
	}
}

func peer(local, remote string, listened bool) firewall.Peer {
	return firewall.Peer{
		Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote), Listened: listened,
		Interface: "eth0",
	}
}

func wantPeers(t *testing.T, want []firewall.Peer) {
	t.Helper()
	got, err := Peers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	order := func(a, b firewall.Peer) int { return a.Remote.Compare(b.Remote) }
	slices.SortFunc(got, order)
	if want := slices.SortedFunc(slices.Values(want), order); !slices.Equal(got, want) {
		t.Errorf("these are connected:\n%v\nwant:\n%v", got, want)
	}
}

func TestPeersOfAnEndedContext(t *testing.T) {
	kerneltest.NewNamespace(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Peers(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want that the context has ended", err)
	}
}

// FuzzSocket holds that no answer of the kernel, were it not the kernel's, does harm or passes for another's address.
func FuzzSocket(f *testing.F) {
	genuine := make([]byte, diagAnswer)
	genuine[0], genuine[1] = unix.AF_INET, tcpEstablished
	copy(genuine[4:], []byte{0, 22, 195, 80, 10, 20, 0, 1})
	copy(genuine[24:], []byte{10, 20, 0, 9})
	f.Add(genuine)
	mapped := slices.Clone(genuine)
	mapped[0] = unix.AF_INET6
	f.Add(mapped)
	f.Add(genuine[:diagAnswer-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSocket(b)
		if err != nil {
			if !errors.Is(err, errMalformed) {
				t.Errorf("%v is not named malformed", err)
			}
			return
		}
		if len(b) < diagAnswer || !s.local.IsValid() || !s.remote.IsValid() || s.remote.Addr().Is4In6() {
			t.Errorf("%x became %+v", b, s)
		}
		list, bound, of := peers([]socket{s}, map[netip.Addr]bool{netip.MustParseAddr("10.20.0.1"): true}, given{})
		if len(list) != len(bound) || len(list) != len(of) {
			t.Errorf("%d peers, %d interfaces, %d sockets", len(list), len(bound), len(of))
		}
		for _, p := range list {
			if p.Remote.Addr().IsLoopback() || s.state == tcpListen {
				t.Errorf("%x is no peer", b)
			}
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add([]byte{11: 0, 12: 8, 14: unix.RTA_OIF, 16: 2, 19: 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if index := parseRoute(b); index != 0 && len(b) < routeMessage+8 {
			t.Errorf("%x has the interface %d", b, index)
		}
	})
}

func TestParseSocket(t *testing.T) {
	b := make([]byte, diagAnswer)
	b[0], b[1] = unix.AF_INET, tcpEstablished
	copy(b[4:], []byte{0, 22, 195, 80, 10, 20, 0, 1})
	copy(b[24:], []byte{10, 20, 0, 9})
	s, err := parseSocket(b)
	want := socket{
		state: tcpEstablished,
		local: netip.MustParseAddrPort("10.20.0.1:22"), remote: netip.MustParseAddrPort("10.20.0.9:50000"),
	}
	want.family, want.identity = unix.AF_INET, [diagIdentity]byte(b[4:])
	if err != nil || s != want {
		t.Errorf("%+v, %v; want %+v", s, err, want)
	}
	for name, wrong := range map[string][]byte{
		"short": b[:diagAnswer-1], "of another family": append([]byte{unix.AF_UNIX}, b[1:]...),
	} {
		if _, err := parseSocket(wrong); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
