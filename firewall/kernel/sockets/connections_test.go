package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall/internal/kerneltest"
)

// someone is the uid of the sockets that are looked for.
const someone = 4242

// dialAs begins a connection as a user, without waiting for it: a socket belongs to who made it (sock_alloc).
func dialAs(t *testing.T, uid int, to string) (fd int) {
	t.Helper()
	address := netip.MustParseAddrPort(to)
	// A JVM connects by sockets of IPv6, also to IPv4.
	end := &unix.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()}
	err := as(uid, func() (err error) {
		fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, end); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// as does something with the filesystem user of the calling thread changed, which is whose a socket is (sock_alloc).
func as(uid int, do func() error) error {
	if err := unix.Setfsuid(uid); err != nil {
		return err
	}
	err := do()
	return errors.Join(err, unix.Setfsuid(0))
}

// serve accepts on an address and keeps what comes open until the test ends.
func serve(t *testing.T, address string) <-chan net.Conn {
	t.Helper()
	l, err := listenPlain(t, address)
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
		for len(accepted) > 0 {
			_ = (<-accepted).Close()
		}
	})
	return accepted
}

// await looks until what is listed is as wanted. The namespace is the thread's: nothing here may change goroutines.
func await(t *testing.T, ports []uint16, want func([]Connection) error) []Connection {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for ends := time.Now().Add(8 * time.Second); ; <-ticker.C {
		list, total, err := Connections(t.Context(), someone, ports)
		if err == nil && total != len(list) {
			err = fmt.Errorf("%d of %d", len(list), total)
		}
		if err == nil {
			err = want(list)
		}
		if err == nil {
			return list
		}
		if time.Now().After(ends) {
			t.Fatalf("%v: %+v", err, list)
		}
	}
}

func only(state State, remote string, more func(Connection) bool) func([]Connection) error {
	return func(list []Connection) error {
		for _, c := range list {
			if c.State == state && c.Remote == netip.MustParseAddrPort(remote) && (more == nil || more(c)) {
				return nil
			}
		}
		return fmt.Errorf("none in state %d to %s", state, remote)
	}
}

// TestConnections lists real sockets of another user: one that stands well, one whose SYN is dropped, one that retransmits,
// one that the peer has closed; and neither those of others, nor those to other ports.
func TestConnections(t *testing.T) {
	needsUsers(t)
	kerneltest.NewNamespace(t)
	if err := kerneltest.IP(t.Context(), "link set lo up", "addr add 10.9.0.1/32 dev lo", "addr add 2001:db8::1/128 dev lo",
		"addr add 10.9.0.2/32 dev lo"); err != nil {
		t.Fatal(err)
	}
	kerneltest.Nft(t, "table inet t {\nchain c {\ntype filter hook input priority 0\nip daddr 10.9.0.2 tcp dport 443 drop\n"+
		"tcp dport 636 meta mark 7 drop\n}\n}", "-f", "-")
	accepted := serve(t, "[::]:636")
	serve(t, "[::]:389")
	serve(t, "[::]:8080")
	ports := []uint16{443, 636, 389}

	well := dialAs(t, someone, "[2001:db8::1]:636")
	await(t, ports, only(Established, "[2001:db8::1]:636", nil))
	dialAs(t, someone, "10.9.0.2:443")
	dialAs(t, someone, "10.9.0.1:389")
	dialAs(t, someone, "10.9.0.1:8080") // not asked for
	dialAs(t, someone+1, "10.9.0.1:636")
	stuck := dialAs(t, someone, "10.9.0.1:636")
	await(t, ports, only(Established, "10.9.0.1:636", nil))
	if err := unix.SetsockoptInt(stuck, unix.SOL_SOCKET, unix.SO_MARK, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(stuck, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(well, make([]byte, 70)); err != nil {
		t.Fatal(err)
	}
	list := await(t, ports, only(SynSent, "10.9.0.2:443", func(c Connection) bool { return c.Retransmits > 0 }))
	if len(list) != 4 {
		t.Errorf("%d connections, want 4: %+v", len(list), list)
	}
	await(t, ports, only(Established, "10.9.0.1:636", func(c Connection) bool {
		return c.Timer == TimerRetransmit && c.Retransmits >= 2 && c.SendQueue == 100 && c.Info.Unacked > 0 &&
			c.RTO > 200*time.Millisecond && c.Info.TotalRetransmits >= 2
	}))
	await(t, ports, only(Established, "[2001:db8::1]:636", func(c Connection) bool {
		return c.Info.Sent == 71 || c.Info.Sent == 70 && c.Info.RTT > 0 && c.Retransmits == 0 && c.SendQueue == 0
	}))
	fromProc(t, ports)
	first, ok := (<-accepted).(*net.TCPConn) // that which stands well
	if !ok || first.CloseWrite() != nil {
		t.Fatal("the server cannot close")
	}
	defer func() { _ = first.Close() }()
	await(t, ports, only(CloseWait, "[2001:db8::1]:636", nil))
}

// fromProc holds that both ways tell the same of what does not move.
func fromProc(t *testing.T, ports []uint16) {
	t.Helper()
	want, _, err := Connections(t.Context(), someone, ports)
	if err != nil {
		t.Fatal(err)
	}
	got, total, err := ConnectionsFromProc(someone, ports)
	if err != nil || total != len(want) {
		t.Fatalf("%d connections, %v; want %d", total, err, len(want))
	}
	for _, w := range want {
		i := slices.IndexFunc(got, func(c Connection) bool { return c.Local == w.Local && c.Remote == w.Remote })
		if i < 0 {
			t.Errorf("%v is not in %v", w, got)
			continue
		}
		g := got[i]
		if g.State != w.State || g.Timer != w.Timer || g.SendQueue != w.SendQueue || g.Retransmits != w.Retransmits ||
			(g.RTO-w.RTO).Abs() > 2*clockTick || g.ID == 0 {
			t.Errorf("proc says %+v, netlink %+v", g, w)
		}
	}
}

// needsUsers ends a test that cannot become another user.
func needsUsers(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		kerneltest.Unprepared(t, "other users: not root")
	}
	if m, err := os.ReadFile("/proc/self/uid_map"); err == nil && !strings.Contains(string(m), "4294967295") {
		fields := strings.Fields(string(m))
		if n, err := strconv.Atoi(fields[len(fields)-1]); err != nil || n <= someone {
			kerneltest.Unprepared(t, "other users: %s", m)
		}
	}
}

// TestConnectionsBounded holds that a user with many connections is told of in part, with how many there are.
func TestConnectionsBounded(t *testing.T) {
	of := ofUser{uid: 7}
	b := genuineConnection()
	binary.NativeEndian.PutUint32(b[64:], 7)
	for range maxConnections + 50 {
		if err := of.take(b); err != nil {
			t.Fatal(err)
		}
	}
	if len(of.list) != maxConnections || of.total != maxConnections+50 {
		t.Errorf("%d of %d", len(of.list), of.total)
	}
}

// TestRemotePorts runs the bytecode as the kernel does (inet_diag_bc_run), for every number of ports.
func TestRemotePorts(t *testing.T) {
	var ports []uint16
	for i := range maxPorts + 5 {
		ports = append(ports, uint16(1000-i*3))
		code := remotePorts(ports)
		for port := uint16(1); port < 1100; port++ {
			want := slices.Contains(ports[:min(len(ports), maxPorts)], port)
			if i >= maxPorts { // the smallest are kept
				sorted := slices.Sorted(slices.Values(ports))
				want = slices.Contains(sorted[:maxPorts], port)
			}
			if got := runs(code, port); got != want {
				t.Fatalf("with %d ports, %d is taken: %t", i+1, port, got)
			}
		}
	}
}

func runs(code []byte, port uint16) bool {
	left := len(code)
	for left > 0 {
		op := code[len(code)-left:]
		yes, no := int(op[1]), int(binary.NativeEndian.Uint16(op[2:]))
		if op[0] == diagRemoteIs && binary.NativeEndian.Uint16(op[6:]) == port {
			left -= yes
			continue
		}
		left -= no
	}
	return left == 0
}

func genuineConnection() []byte {
	b := make([]byte, diagAnswer)
	b[0], b[1] = unix.AF_INET, byte(Established)
	copy(b[4:], []byte{0xc3, 0x50, 2, 0x7c, 10, 20, 0, 1})
	copy(b[24:], []byte{10, 20, 0, 9})
	info := make([]byte, tcpInfoSize)
	binary.NativeEndian.PutUint32(info[8:], 200_000)
	binary.NativeEndian.PutUint32(b[52:], 5)
	return append(b, append([]byte{tcpInfoSize + 4, 0, inetDiagInfo, 0}, info...)...)
}

// FuzzConnection holds that no answer, were it not the kernel's, does harm.
func FuzzConnection(f *testing.F) {
	f.Add(genuineConnection())
	f.Add(genuineConnection()[:diagAnswer+6])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseConnection(b)
		if err != nil {
			if !errors.Is(err, errMalformed) {
				t.Errorf("%v is not named malformed", err)
			}
			return
		}
		if !c.Remote.IsValid() || c.Remote.Addr().Is4In6() || c.RTO < 0 || c.Expires < 0 {
			t.Errorf("%x became %+v", b, c)
		}
	})
}

func TestParseProcLine(t *testing.T) {
	const line = "   1: 0100007F:A1B2 0200090A:01BB 02 00000001:00000000 01:00000032 00000002  4242        0 9876 2 " +
		"0000000000000000 400 0 0 10 -1"
	c, uid, err := parseProcLine(line)
	want := Connection{
		Local: netip.MustParseAddrPort("127.0.0.1:41394"), Remote: netip.MustParseAddrPort("10.9.0.2:443"),
		State: SynSent, ID: 9876, Timer: TimerRetransmit, Retransmits: 2, Expires: 500 * time.Millisecond,
		RTO: 4 * time.Second, SendQueue: 1,
	}
	if err != nil || uid != 4242 || c != want {
		t.Errorf("%+v, %d, %v; want %+v", c, uid, err, want)
	}
	for _, wrong := range []string{"", "1: a b c d e f g h i j", strings.Replace(line, "0200090A", "02", 1)} {
		if _, _, err := parseProcLine(wrong); !errors.Is(err, errMalformed) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func FuzzProcLine(f *testing.F) {
	f.Add("1: 00000000000000000000000001000000:0277 0000000000000000FFFF00000100007F:8000 01 0:0 00:00000000 0 0 0 1 1 0 20")
	f.Fuzz(func(t *testing.T, line string) {
		if c, _, err := parseProcLine(line); err == nil && (!c.Remote.IsValid() || c.Expires < 0 || c.RTO < 0) {
			t.Errorf("%q became %+v", line, c)
		}
	})
}

// BenchmarkConnections measures a look on a host on which others have 10,000 connections: to other ports, which the kernel
// leaves out, and to the very ports that are looked at.
func BenchmarkConnections(b *testing.B) {
	kerneltest.NewNamespace(b)
	if err := kerneltest.IP(b.Context(), "link set lo up"); err != nil {
		b.Fatal(err)
	}
	for _, port := range []int{8080, 443} {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			b.Fatal(err)
		}
		var open []net.Conn
		for range 5_000 {
			conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			peer, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			open = append(open, conn, peer)
		}
		for name, look := range map[string]func() error{
			"netlink": func() error { _, _, err := Connections(b.Context(), someone, []uint16{443, 636, 389}); return err },
			"proc":    func() error { _, _, err := ConnectionsFromProc(someone, []uint16{443, 636, 389}); return err },
		} {
			b.Run(fmt.Sprintf("%s/others-at-%d", name, port), func(b *testing.B) {
				for b.Loop() {
					if err := look(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		for _, conn := range open {
			_ = conn.Close()
		}
		_ = l.Close()
	}
}
