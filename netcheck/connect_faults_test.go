package netcheck

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"sallyport/check"
	"sallyport/netcheck/dial"
)

// faultyNetwork makes the faults of TestInsideConnectFaults by nft and routes: 192.0.2.0/24 and 2001:db8:2::/48 are
// routes of each type, 10.9.0.0/24 and 2001:db8:9::/64 a link on which nobody answers, and at this host's own addresses
// the port says what comes back.
func faultyNetwork(t *testing.T) {
	t.Helper()
	command(t, "nft", `table inet faults { chain in { type filter hook input priority 0;
		tcp dport 1001 drop
		tcp dport 1002 reject with tcp reset
		tcp dport 1003 reject with icmpx host-unreachable
		tcp dport 1004 reject with icmpx admin-prohibited
		tcp dport 1005 reject with icmpx port-unreachable
		tcp dport 1006 reject with icmpx no-route
		meta nfproto ipv4 tcp dport 1007 reject with icmp host-prohibited
		meta nfproto ipv4 tcp dport 1008 reject with icmp net-prohibited
		meta nfproto ipv6 tcp dport 1009 reject with icmpv6 policy-fail
	}; chain out { type filter hook output priority 0;
		ip daddr 10.9.0.9 reject with icmpx admin-prohibited
		ip6 daddr 2001:db8:9::9 reject with icmpx admin-prohibited
		ip daddr 10.9.0.10 reject with tcp reset
		ip daddr 10.9.0.11 drop
	}; }`)
	for _, words := range []string{
		"link add v0 type veth peer name v1", "link set v0 up", "link set v1 up",
		"address add 10.9.0.1/24 dev v0", "address add 2001:db8:9::1/64 dev v0 nodad",
		"neighbour add 10.9.0.9 lladdr 02:00:00:00:00:09 dev v0",
		"neighbour add 10.9.0.10 lladdr 02:00:00:00:00:09 dev v0",
		"neighbour add 10.9.0.11 lladdr 02:00:00:00:00:09 dev v0",
		"neighbour add 2001:db8:9::9 lladdr 02:00:00:00:00:09 dev v0",
		"route add prohibit 192.0.2.1", "route add blackhole 192.0.2.2", "route add unreachable 192.0.2.3",
		"route add throw 192.0.2.4", "-6 route add prohibit 2001:db8:2::1", "-6 route add blackhole 2001:db8:2::2",
		"-6 route add unreachable 2001:db8:2::3", "-6 route add throw 2001:db8:2::4",
		"link add v2 type veth peer name v3", "link add v4 type veth peer name v5", "link set v4 up",
	} {
		command(t, "ip", strings.Fields(words)...)
	}
	t.Cleanup(func() {
		for _, words := range []string{
			"link del v0", "link del v2", "link del v4", "route del prohibit 192.0.2.1", "route del blackhole 192.0.2.2",
			"route del unreachable 192.0.2.3", "route del throw 192.0.2.4", "-6 route flush root 2001:db8:2::/48",
		} {
			command(t, "ip", strings.Fields(words)...)
		}
		command(t, "nft", "delete table inet faults")
	})
	// Three unanswered questions for a neighbour, of a second each, are the kernel's patience.
	for _, family := range []string{"ipv4", "ipv6"} {
		writeFile(t, "/proc/sys/net/"+family+"/neigh/v0/retrans_time_ms", "50")
	}
}

// TestInsideConnectFaults tells each way in which connect(2) fails from its neighbours, in both families.
func TestInsideConnectFaults(t *testing.T) {
	inside(t)
	faultyNetwork(t)
	tests := []struct {
		name, host string
		port       uint16
		cause      check.Cause
		words      string
	}{
		{"closed port", "127.0.0.1", 1000, check.ConnectRefused, "refused: nothing listens"},
		{"closed port, IPv6", "::1", 1000, check.ConnectRefused, "refused: nothing listens"},
		{"drop", "127.0.0.1", 1001, check.ConnectTimeout, "no answer to the connection attempt"},
		{"drop, IPv6", "::1", 1001, check.ConnectTimeout, "no answer to the connection attempt"},
		{"tcp reset", "127.0.0.1", 1002, check.ConnectRefused, "refused: nothing listens"},
		{"tcp reset, IPv6", "::1", 1002, check.ConnectRefused, "refused: nothing listens"},
		{"host unreachable", "127.0.0.1", 1003, check.ConnectUnreachable, "ICMP host unreachable from 127.0.0.1"},
		{"prohibited", "127.0.0.1", 1004, check.ConnectUnreachable, "ICMP communication administratively prohibited from"},
		{"host unreachable, IPv6", "::1", 1003, check.ConnectUnreachable, "ICMP address unreachable from ::1"},
		{"prohibited, IPv6", "::1", 1004, check.ConnectUnreachable, "ICMP communication admin"},
		{"port unreachable", "127.0.0.1", 1005, check.ConnectRefused, "ICMP port unreachable from 127.0.0.1"},
		{"port unreachable, IPv6", "::1", 1005, check.ConnectRefused, "ICMP port unreachable from ::1"},
		{"network unreachable", "127.0.0.1", 1006, check.ConnectUnreachable, "ICMP network unreachable from 127.0.0.1"},
		{"no route there, IPv6", "::1", 1006, check.ConnectUnreachable, "ICMP no route from ::1"},
		{"host prohibited", "127.0.0.1", 1007, check.ConnectUnreachable, "ICMP host administratively prohibited from"},
		{"network prohibited", "127.0.0.1", 1008, check.ConnectUnreachable, "ICMP network administratively prohibited"},
		{"policy, IPv6", "::1", 1009, check.ConnectUnreachable, "ICMP source address failed the policy from ::1"},
		{"own firewall", "10.9.0.9", 443, check.ConnectBlockedHere, "its own ICMP communication admin"},
		{"own firewall, IPv6", "2001:db8:9::9", 443, check.ConnectBlockedHere, "its own ICMP communication admin"},
		{"own firewall resets", "10.9.0.10", 443, check.ConnectRefused, "refused"},
		{"own firewall drops", "10.9.0.11", 443, check.ConnectTimeout, "no answer"},
		{"prohibit route", "192.0.2.1", 443, check.ConnectBlockedHere, "permission denied"},
		{"prohibit route, IPv6", "2001:db8:2::1", 443, check.ConnectBlockedHere, "permission denied"},
		{"blackhole route", "192.0.2.2", 443, check.ConnectBlockedHere, "blackhole"},
		{"blackhole route, IPv6", "2001:db8:2::2", 443, check.ConnectBlockedHere, "blackhole"},
		{"unreachable route", "192.0.2.3", 443, check.ConnectUnreachable, "this host has no way"},
		{"unreachable route, IPv6", "2001:db8:2::3", 443, check.ConnectUnreachable, "this host has no way"},
		{"throw route", "192.0.2.4", 443, check.ConnectUnreachable, "this host has no way"},
		{"throw route, IPv6", "2001:db8:2::4", 443, check.ConnectUnreachable, "this host has no way"},
		{"no route", "198.51.100.1", 443, check.ConnectUnreachable, "this host has no way"},
		{"no route, IPv6", "2001:db8::1", 443, check.ConnectUnreachable, "this host has no way"},
		{"no neighbour", "10.9.0.77", 443, check.ConnectUnreachable, "nobody on its link answers"},
		{"no neighbour, IPv6", "2001:db8:9::77", 443, check.ConnectUnreachable, "nobody on its link answers"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			expectFault(t, TLSTarget{Server: Server{Host: test.host, Port: test.port}}, test.cause, test.words)
		})
	}
}

// TestInsideFilter has a program of a control group, as sandboxes attach one, refuse what would connect.
func TestInsideFilter(t *testing.T) {
	inside(t)
	group := refusingGroup(t)
	join := func(group string) { writeFile(t, filepath.Join(group, "cgroup.procs"), strconv.Itoa(os.Getpid())) }
	join(group)
	defer join(filepath.Dir(group))
	for _, host := range []string{"127.0.0.1", "::1"} {
		expectFault(t, TLSTarget{Server: Server{Host: host, Port: 1000}}, check.ConnectBlockedHere,
			"operation not permitted")
	}
}

// refusingGroup is a new control group whose processes may not connect: its program of two instructions returns 0 to each
// connect(2), which then is EPERM (BPF_CGROUP_INET4_CONNECT and its sibling, linux/bpf.h).
func refusingGroup(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	command(t, "mount", "-t", "cgroup2", "none", root)
	t.Cleanup(func() { command(t, "umount", root) })
	group := filepath.Join(root, "sallyport-test-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(group, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	})
	at, err := unix.Open(group, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(at) }()
	for _, attach := range []uint32{unix.BPF_CGROUP_INET4_CONNECT, unix.BPF_CGROUP_INET6_CONNECT} {
		attachRefusal(t, at, attach)
	}
	return group
}

// attachRefusal loads a program that returns 0 and attaches it to a control group.
func attachRefusal(t *testing.T, group int, attach uint32) {
	t.Helper()
	code := []uint64{0xb7, 0x95} // r0 = 0; exit
	license := []byte("MIT\x00")
	load := struct {
		kind, count   uint32
		code, license uint64
		_             [44]byte
		attach        uint32
	}{
		kind: unix.BPF_PROG_TYPE_CGROUP_SOCK_ADDR, count: uint32(len(code)), attach: attach,
		code: uint64(uintptr(unsafe.Pointer(&code[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0]))),
	}
	program, _, number := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&load)), unsafe.Sizeof(load))
	runtime.KeepAlive(code)
	runtime.KeepAlive(license)
	if number != 0 {
		t.Fatalf("load: %v", number)
	}
	defer func() { _ = unix.Close(int(program)) }()
	link := struct{ group, program, attach, flags uint32 }{uint32(group), uint32(program), attach, 0}
	_, _, number = unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_ATTACH, uintptr(unsafe.Pointer(&link)), unsafe.Sizeof(link))
	if number != 0 {
		t.Fatalf("attach: %v", number)
	}
}

// TestInsideSources wants a source that this host does not have, in each way.
func TestInsideSources(t *testing.T) {
	inside(t)
	faultyNetwork(t)
	elsewhere := netip.MustParseAddr("203.0.113.5")
	tests := []struct {
		name   string
		target Server
		words  string
	}{
		{"not here", Server{Host: "10.9.0.2", Source: elsewhere}, "203.0.113.5 is not an address of this host"},
		{"not here, IPv6", Server{Host: "2001:db8:9::2", Source: netip.MustParseAddr("2001:db8:5::5")}, "is not an address"},
		{"other family", Server{Host: "2001:db8:9::2", Source: netip.MustParseAddr("10.9.0.1")}, "it is an IPv4 one"},
		{"no interface", Server{Host: "10.9.0.2", Interface: "nowhere0"}, `no interface "nowhere0"`},
		{"interface down", Server{Host: "10.9.0.2", Interface: "v2"}, `the interface "v2" is down`},
		{"interface down, IPv6", Server{Host: "2001:db8:9::2", Interface: "v2"}, `the interface "v2" is down`},
		{"no carrier", Server{Host: "10.9.0.2", Interface: "v4"}, `the interface "v4" has no link`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.target.Port = 443
			expectFault(t, TLSTarget{Server: test.target}, check.ConnectSource, test.words)
		})
	}
	source := netip.MustParseAddr("127.0.0.1")
	r := TLS(TLSTarget{Server: Server{Host: "six.test", Port: 443, Source: source}})(withTimeout(t, time.Second))
	if r.Cause != check.ConnectNoAddress || !strings.Contains(r.Detail, "only IPv6 ones, and the source address 127.0.0.1") {
		t.Errorf("%s: %s", r.Cause, r.Detail)
	}
	r = TLS(TLSTarget{Server: Server{Host: "dual.test", Port: 1000, Source: source}})(withTimeout(t, time.Second))
	expectEndpoints(t, r, check.Skipped, check.Fail)
}

// expectFault runs a check that fails before it is connected.
func expectFault(t *testing.T, target TLSTarget, cause check.Cause, words string) {
	t.Helper()
	r := TLS(target)(withTimeout(t, time.Second))
	if r.Status != check.Fail || r.Cause != cause || !strings.Contains(r.Detail, words) {
		t.Errorf("%s %s: %s; want %s: …%s…", r.Status, r.Cause, r.Detail, cause, words)
	}
	if lastPhase(r) != "connect" {
		t.Errorf("it ended in the phase %q", lastPhase(r))
	}
}

// TestInsideNoPort leaves this host a single port to send from, and takes it.
func TestInsideNoPort(t *testing.T) {
	inside(t)
	port := startTCP(t, untilClosed)
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("61000 61000"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("32768 60999"), 0o600) }()
	dialer := net.Dialer{}
	conn, err := dialer.DialContext(context.Background(), "tcp", local(int(port)).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	expectResult(t, localTarget(port, nil), check.Fail, check.ConnectSource, "every local port", "connect")
	from := localTarget(port, nil)
	from.Source = netip.MustParseAddr("127.0.0.1")
	expectResult(t, from, check.Fail, check.ConnectSource, "127.0.0.1 has nothing to send from: every local port", "connect")
	before := descriptors(t)
	const more = 20
	for range more { // net.Dialer makes three sockets for each
		if _, err := dial.TCP(t.Context(), local(int(port)), dial.Options{}); err == nil {
			t.Fatal("a port was free")
		}
	}
	if after := descriptors(t); after >= before+more { // the server accepts the one connection at some time
		t.Errorf("%d descriptors, and %d after %d more connections", before, after, more)
	}
}

// descriptors is how many descriptors this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
