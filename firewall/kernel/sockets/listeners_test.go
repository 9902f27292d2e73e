package sockets

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sallyport/firewall/internal/kerneltest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// held opens a socket that the test closes.
func held(t *testing.T, domain, kind, protocol int) int {
	t.Helper()
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// found is the listeners of this namespace without what differs from run to run.
func found(t *testing.T) Listening {
	t.Helper()
	got, err := Listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Sockets {
		if got.Sockets[i].Inode == 0 {
			t.Errorf("no inode: %+v", got.Sockets[i])
		}
		got.Sockets[i].Inode, got.Sockets[i].Process, got.Sockets[i].UID = 0, Process{}, 0
	}
	return got
}

// TestListeners lists real sockets of every transport that this kernel has, and none that is connected or bound to nothing.
func TestListeners(t *testing.T) {
	kerneltest.NewNamespace(t)
	if err := kerneltest.IP(t.Context(), "link set lo up"); err != nil {
		kerneltest.Unprepared(t, "%v", err)
	}
	if got := found(t); len(got.Sockets) > 0 {
		t.Fatalf("in an empty namespace: %+v", got)
	}
	for _, address := range []string{"[::]:22", "127.0.0.1:631"} {
		if _, err := listenPlain(t, address); err != nil {
			t.Fatal(err)
		}
	}
	multipath := net.ListenConfig{}
	multipath.SetMultipathTCP(true)
	l, err := multipath.Listen(t.Context(), "tcp4", "0.0.0.0:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	udp, err := net.ListenPacket("udp6", "[::]:53")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	connected, err := net.Dial("udp4", "127.0.0.1:53")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connected.Close() }()
	bound := held(t, unix.AF_INET, unix.SOCK_DGRAM, 0)
	err = errors.Join(unix.SetsockoptString(bound, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, "lo"),
		unix.Bind(bound, &unix.SockaddrInet4{Port: 123}))
	if err != nil {
		t.Fatal(err)
	}
	held(t, unix.AF_INET, unix.SOCK_DGRAM, 0) // bound to nothing
	lite := held(t, unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE)
	if err := unix.Bind(lite, &unix.SockaddrInet4{Port: 7}); err != nil {
		t.Fatal(err)
	}
	held(t, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	held(t, unix.AF_PACKET, unix.SOCK_DGRAM, int(htons(unix.ETH_P_ARP)))
	held(t, unix.AF_PACKET, unix.SOCK_DGRAM, 0) // takes nothing in

	any4, any6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	want := []Listener{
		{Transport: TCP, Address: any6, Port: 22},
		{Transport: TCP, Address: netip.MustParseAddr("127.0.0.1"), Port: 631},
		{Transport: TCP, MPTCP: true, Address: any4, Port: 8080},
		{Transport: UDP, Address: any6, V6Only: true, Port: 53},
		{Transport: UDP, Address: any4, Port: 123, Interface: "lo"},
		{Transport: UDPLite, Address: any4, Port: 7},
		{Transport: Raw, Address: any4, Port: unix.IPPROTO_ICMP},
		{Transport: Packet, Port: unix.ETH_P_ARP},
	}
	got := found(t)
	if diff := cmp.Diff(want, got.Sockets, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
	if len(got.Unlisted) > 0 || got.Hidden {
		t.Errorf("unlisted %v, hidden %v", got.Unlisted, got.Hidden)
	}
}

func htons(n uint16) uint16 { return n>>8 | n<<8 }

// TestListenersSayWho holds that a socket's process, program and user are told.
func TestListenersSayWho(t *testing.T) {
	kerneltest.NewNamespace(t)
	if err := kerneltest.IP(t.Context(), "link set lo up"); err != nil {
		kerneltest.Unprepared(t, "%v", err)
	}
	if _, err := listenPlain(t, "127.0.0.1:22"); err != nil {
		t.Fatal(err)
	}
	got, err := Listeners(t.Context())
	if err != nil || len(got.Sockets) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := got.Sockets[0]
	if l.Process.PID != os.Getpid() || l.Process.Exe != exe || l.UID != uint32(os.Geteuid()) {
		t.Errorf("%+v, want pid %d, %s, uid %d", l, os.Getpid(), exe, os.Geteuid())
	}
	if !strings.HasPrefix(filepath.Base(exe), l.Process.Name) || l.Process.Name == "" {
		t.Errorf("the name of %s is %q", exe, l.Process.Name)
	}
	if got.Hidden {
		t.Error("something is hidden from who holds the socket")
	}
}

// TestAddProcesses reads a made-up /proc: a socket that two processes share, one whose holder is gone, one hidden.
func TestAddProcesses(t *testing.T) {
	proc := t.TempDir()
	process := func(pid int, comm, exe, cgroup string, inodes ...int) {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		err := errors.Join(os.MkdirAll(filepath.Join(dir, "fd"), 0o755),
			os.WriteFile(filepath.Join(dir, "comm"), []byte(comm+"\n"), 0o600),
			os.WriteFile(filepath.Join(dir, "cgroup"), []byte(cgroup), 0o600), os.Symlink(exe, filepath.Join(dir, "exe")),
			os.Symlink("/dev/null", filepath.Join(dir, "fd", "0")),
			os.Symlink("socket:[x]", filepath.Join(dir, "fd", "1")))
		for i, inode := range inodes {
			link := filepath.Join(dir, "fd", strconv.Itoa(i+2))
			err = errors.Join(err, os.Symlink("socket:["+strconv.Itoa(inode)+"]", link))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	process(812, "sshd", "/usr/sbin/sshd", "0::/system.slice/ssh.service\n", 100, 100, 101)
	process(7, "a\nb", "/bin/x", "", 101)
	if err := os.Mkdir(filepath.Join(proc, "self"), 0o755); err != nil {
		t.Fatal(err)
	}
	sockets := []Listener{{Inode: 100}, {Inode: 101}, {Inode: 102}, {}}
	if hidden := addProcesses(t.Context(), proc, sockets); hidden {
		t.Error("a socket that nobody holds is taken for a hidden one")
	}
	want := []Process{
		{PID: 812, Name: "sshd", Exe: "/usr/sbin/sshd", Unit: "ssh.service"},
		{PID: 7, Name: "a\nb", Exe: "/bin/x", Others: 1}, {}, {},
	}
	for i, s := range sockets {
		if s.Process != want[i] {
			t.Errorf("socket %d: %+v, want %+v", i, s.Process, want[i])
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if !addProcesses(ended, proc, []Listener{{Inode: 100}}) {
		t.Error("after the end of the context nothing is hidden")
	}
}

func TestParseListenerRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"short":        make([]byte, diagAnswer-1),
		"a family":     append([]byte{99}, make([]byte, diagAnswer)...),
		"an attribute": append(append([]byte{unix.AF_INET}, make([]byte, diagAnswer-1)...), 1),
	} {
		if l, err := parseListener(b, nil); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if _, err := parsePacketSocket(make([]byte, packetAnswer-1), nil); err == nil {
		t.Error("a short packet socket is read")
	}
}

func FuzzParseListener(f *testing.F) {
	f.Add(append([]byte{unix.AF_INET6}, make([]byte, diagAnswer+7)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if l, err := parseListener(b, nil); err == nil && !l.Address.IsValid() {
			t.Errorf("no address: %+v", l)
		}
		if l, err := parsePacketSocket(b, nil); err == nil && l.Transport != Packet {
			t.Errorf("%+v", l)
		}
	})
}

// rawLines is /proc/net/raw with one socket.
const rawLines = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid" +
	"  timeout inode ref pointer drops\n" +
	"    1: 0100007F:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 4711 2 0000000000000000 0\n"

func TestParseRawSockets(t *testing.T) {
	got, err := parseRawSockets(strings.NewReader(rawLines))
	loopback := netip.MustParseAddr("127.0.0.1")
	want := []Listener{{Transport: Raw, Address: loopback, Port: 1, UID: 1000, Inode: 4711}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"h\na b\n", "h\n1: x:1 b c d e f 0 h 1\n", "h\n1: 00:1 b c d e f 0 h 1\n"} {
		if got, err := parseRawSockets(strings.NewReader(bad)); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func FuzzParseRawSockets(f *testing.F) {
	f.Add(rawLines)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseRawSockets(strings.NewReader(text))
		for _, l := range list {
			if err == nil && !l.Address.IsValid() {
				t.Errorf("no address: %+v", l)
			}
		}
	})
}
