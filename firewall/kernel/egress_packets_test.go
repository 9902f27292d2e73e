package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

const (
	serviceUser, otherUser = 4242, 4343

	// atOnce is how soon a refused connection must fail, also on a busy machine: far below the second that an ICMP error
	// costs over IPv6.
	atOnce = 200 * time.Millisecond
)

// guardedEgress lets management in, anybody out to 8443 at the admin, and the service user and root to 8636 there.
func guardedEgress(mode firewall.EgressMode) firewall.Policy {
	p := adminsOnly(adminV4+"/32", adminV6+"/128")
	admin := prefixes(adminV4+"/32", adminV6+"/128")
	p.Egress = firewall.Egress{Mode: mode, To: []firewall.Destination{
		{Name: "web", Ports: ports("8443/tcp", "8443/udp"), To: admin},
		{Name: "directory", Ports: ports("8636/tcp"), To: admin, Users: []uint32{serviceUser, 0}},
		{Name: "named", Ports: ports("8444/tcp"), Names: []string{"a.example"}},
	}}
	return p
}

// asUser runs f with the file system uid of another on this thread: it is that one that a socket made meanwhile is of
// (nft_meta_get_eval_skugid: f_cred->fsuid).
func asUser(t *testing.T, uid int, f func()) {
	t.Helper()
	become := func(uid int) { _, _, _ = syscall.RawSyscall(unix.SYS_SETFSUID, uintptr(uid), 0, 0) } // tells nothing
	become(uid)
	defer become(0)
	if got, _, _ := syscall.RawSyscall(unix.SYS_SETFSUID, ^uintptr(0), 0, 0); int(got) != uid {
		t.Fatalf("fsuid %d, want %d", got, uid)
	}
	f()
}

// attempt is one connection out, and how long it took to fail.
func attempt(t *testing.T, uid int, from, to string, port int) (took time.Duration, err error) {
	t.Helper()
	asUser(t, uid, func() {
		var conn net.Conn
		began := time.Now()
		conn, err = dialPatiently(from, to, port)
		took = time.Since(began)
		if err == nil {
			_ = conn.Close()
		}
	})
	return took, err
}

// dialPatiently is dial where nobody is silent: a connection is made or refused.
func dialPatiently(from, to string, port int) (net.Conn, error) {
	local := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: local}
	return d.Dial("tcp", net.JoinHostPort(to, strconv.Itoa(port)))
}

// egressHost is a host with a peer that listens on all ports that the tests ask for.
func egressHost(t *testing.T) (*neighbour, *Conn) {
	t.Helper()
	newNamespace(t)
	peer := newNeighbour(t)
	peer.run(func() {
		for _, port := range []int{8443, 8444, 8636, 9999} {
			listen(t, port)
		}
	})
	return peer, open4Test(t)
}

// TestEgressEnforced sends real packets out, by users who may and who may not.
func TestEgressEnforced(t *testing.T) {
	peer, c := egressHost(t)
	before := establish(t, peer)
	if err := c.Apply(t.Context(), compile(t, guardedEgress(firewall.EgressEnforce))); err != nil {
		t.Fatal(err)
	}
	var slowest time.Duration
	for _, try := range []struct {
		uid, port int
		stranger  bool
		out       bool
	}{
		{uid: otherUser, port: 8443, out: true}, {uid: 0, port: 8443, out: true},
		{uid: serviceUser, port: 8636, out: true}, {uid: 0, port: 8636, out: true}, {uid: otherUser, port: 8636},
		{uid: otherUser, port: 9999}, {uid: otherUser, port: 8443, stranger: true}, {uid: otherUser, port: 8444},
	} {
		for _, way := range [][3]string{{hostV4, adminV4, strangerV4}, {hostV6, adminV6, strangerV6}} {
			to := way[1]
			if try.stranger {
				to = way[2]
			}
			took, err := attempt(t, try.uid, way[0], to, try.port)
			slowest = max(slowest, took)
			switch {
			case try.out && err != nil:
				t.Errorf("uid %d to %s port %d: %v", try.uid, to, try.port, err)
			case !try.out && (!errors.Is(err, unix.ECONNREFUSED) || took > atOnce):
				t.Errorf("uid %d to %s port %d: %v after %s, want refused at once", try.uid, to, try.port, err, took)
			}
		}
	}
	t.Logf("the slowest answer took %s", slowest)
	if err := before(); err != nil {
		t.Errorf("a connection that was there before: %v", err)
	}
	managed(t, peer)
	wantRefused(t, c, refusedTCP(), 0)
}

// refusedTCP is what TestEgressEnforced tries in vain: one segment each.
func refusedTCP() []Refusal {
	one := func(to string, port uint16) Refusal {
		r := Refusal{
			To: netip.MustParseAddr(to), Protocol: firewall.TCP, Port: port, UID: new(uint32(otherUser)),
			Packets: 1, Bytes: 60,
		}
		if r.To.Is6() {
			r.Bytes = 80
		}
		return r
	}
	return []Refusal{
		one(adminV4, 8444), one(adminV4, 8636), one(adminV4, 9999), one(strangerV4, 8443),
		one(adminV6, 8444), one(adminV6, 8636), one(adminV6, 9999), one(strangerV6, 8443),
	}
}

// wantRefused compares what the kernel kept, and the counter of the mode with the sum of it and of some more.
func wantRefused(t *testing.T, c *Conn, want []Refusal, more uint64) {
	t.Helper()
	got, err := c.Refused(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := func(list []Refusal) (lines string, packets uint64) {
		for _, r := range list {
			uid := "nobody"
			if r.UID != nil {
				uid = strconv.Itoa(int(*r.UID))
			}
			lines += fmt.Sprintf("%s %d/%d of %s: %d packets, %d bytes\n", r.To, r.Port, r.Protocol, uid, r.Packets, r.Bytes)
			packets += r.Packets
		}
		return lines, packets
	}
	gotText, _ := text(got)
	wantText, packets := text(want)
	if gotText != wantText {
		t.Errorf("refused:\n%swant:\n%s", gotText, wantText)
	}
	counters := dumpHere(t).Counters()
	if n := counters["c_drop_out"].Packets + counters["c_would_out"].Packets; n != packets+more {
		t.Errorf("%d packets are counted in all, want %d and %d", n, packets, more)
	}
}

// establish connects to a port that the policy will not name; the function that it returns sends something over it.
func establish(t *testing.T, peer *neighbour) func() error {
	t.Helper()
	var l net.Listener
	peer.run(func() { l = listen(t, 7777) })
	out, err := dialPatiently(hostV4, adminV4, 7777)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	in := acceptFrom(t, l, out.LocalAddr().String())
	t.Cleanup(func() { _ = in.Close() })
	return func() error {
		_ = in.SetReadDeadline(time.Now().Add(5 * time.Second)) // it fails only on a closed connection, and so does Read
		if _, err := out.Write([]byte("x")); err != nil {
			return err
		}
		_, err := in.Read(make([]byte, 1))
		return err
	}
}

// managed holds that a session of the admin's gets its answers, over both families.
func managed(t *testing.T, peer *neighbour) {
	t.Helper()
	ssh := listen(t, 22)
	for from, to := range map[string]string{adminV4: hostV4, adminV6: hostV6} {
		var conn net.Conn
		var err error
		peer.run(func() { conn, err = dialPatiently(from, to, 22) })
		if err != nil {
			t.Errorf("management from %s: %v", from, err)
			continue
		}
		in := acceptFrom(t, ssh, conn.LocalAddr().String())
		_, err = in.Write([]byte("welcome\n"))
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second)) // see above
		line, readErr := bufio.NewReader(conn).ReadString('\n')
		if err = errors.Join(err, readErr, in.Close(), conn.Close()); err != nil || line != "welcome\n" {
			t.Errorf("management from %s heard %q: %v", from, line, err)
		}
	}
}

// TestEgressOfAProcess has real processes of two users ask for the directory.
func TestEgressOfAProcess(t *testing.T) {
	_, c := egressHost(t)
	if err := c.Apply(t.Context(), compile(t, guardedEgress(firewall.EgressEnforce))); err != nil {
		t.Fatal(err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		unprepared(t, "%v", err)
	}
	for uid, out := range map[uint32]bool{serviceUser: true, otherUser: false} {
		cmd := exec.CommandContext(t.Context(), bash, "-c", "exec 3<>/dev/tcp/"+adminV4+"/8636")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, NoSetGroups: true}}
		cmd.Dir = "/"
		text, err := cmd.CombinedOutput()
		if out != (err == nil) || !out && !strings.Contains(string(text), "refused") {
			t.Errorf("uid %d: %v: %s", uid, err, text)
		}
	}
}

// TestEgressObserved holds that observing lets everything go, and keeps what would be refused.
func TestEgressObserved(t *testing.T) {
	_, c := egressHost(t)
	if err := c.Apply(t.Context(), compile(t, guardedEgress(firewall.EgressObserve))); err != nil {
		t.Fatal(err)
	}
	var want []Refusal
	for _, r := range refusedTCP() {
		from := hostV4
		if r.To.Is6() {
			from = hostV6
		}
		if _, err := attempt(t, otherUser, from, r.To.String(), int(r.Port)); err != nil {
			t.Errorf("to %s port %d: %v", r.To, r.Port, err)
		}
		want = append(want, r)
	}
	if _, err := attempt(t, otherUser, hostV4, adminV4, 8443); err != nil {
		t.Error(err)
	}
	wantRefused(t, c, want, 0)
	known, err := dialPatiently(hostV4, adminV4, 9999)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = known.Close() }()
	if err := c.Apply(t.Context(), compile(t, guardedEgress(firewall.EgressEnforce))); err != nil {
		t.Fatal(err)
	}
	if _, err := attempt(t, otherUser, hostV4, adminV4, 9999); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("once it is enforced: %v", err)
	}
	// A write to a connection that is reset fails at the second try at the latest.
	for range 2 {
		if _, err := known.Write([]byte("x")); err != nil {
			t.Errorf("a connection that was there before: %v", err)
		}
	}
}

// TestEgressNames holds that a learned address is a way out as long as it is known, and that no repair forgets it.
func TestEgressNames(t *testing.T) {
	_, c := egressHost(t)
	rules := compile(t, guardedEgress(firewall.EgressEnforce))
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	golden := dumpHere(t)
	ways := map[string]string{hostV4: adminV4, hostV6: adminV6}
	ask := func(when string, out bool) {
		t.Helper()
		for from, to := range ways {
			if _, err := attempt(t, otherUser, from, to, 8444); out != (err == nil) {
				t.Errorf("%s: to %s: %v", when, to, err)
			}
		}
	}
	const add, forget = "add element inet sallyport name_named_", "delete element inet sallyport name_named_"
	ask("before", false)
	loadNft(t, add+"4 { "+adminV4+" timeout 1h }\n"+add+"6 { "+adminV6+" timeout 1h }\n")
	ask("learned", true)
	if learned := dumpHere(t); !learned.Equal(golden) {
		t.Errorf("learning is a drift:\n%s", differingLines(learned, golden))
	}
	loadNft(t, "flush chain inet sallyport inbound\n")
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	ask("after a repair", true)
	loadNft(t, add+"4 { 192.0.2.1 }\n") // to stay: nobody of ours
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if after := dumpHere(t); !after.Equal(golden) {
		t.Errorf("an address that stays is left:\n%s", differingLines(after, golden))
	}
	delete(ways, hostV4) // went with it, until it is learned again
	loadNft(t, forget+"6 { "+adminV6+" }\n")
	ask("forgotten", false)
}

// groupsTable counts, behind our ruleset, what a kernel sends that no socket asked for.
const groupsTable = `table inet groups {
	counter groups4 { }
	counter groups6 { }
	counter neighbours { }
	chain out { type filter hook postrouting priority 0
		oifname != "h0" accept
		ip protocol 2 counter name groups4
		icmpv6 type 143 counter name groups6
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } counter name neighbours
	}
}
`

// TestEgressOfTheKernel holds that what the kernel sends to live on its links goes out and is not counted: neighbour
// discovery and the membership of groups; and that DHCP does.
func TestEgressOfTheKernel(t *testing.T) {
	peer, c := egressHost(t)
	if err := c.Apply(t.Context(), compile(t, guardedEgress(firewall.EgressEnforce))); err != nil {
		t.Fatal(err)
	}
	loadNft(t, groupsTable)
	ip(t, "neigh flush dev h0")
	if _, err := attempt(t, otherUser, hostV6, adminV6, 8443); err != nil {
		t.Errorf("after the neighbours were forgotten: %v", err)
	}
	link, err := net.InterfaceByName("h0")
	if err != nil {
		t.Fatal(err)
	}
	for network, group := range map[string]string{"udp4": "239.1.2.3", "udp6": "ff05::1:3"} {
		conn, err := net.ListenMulticastUDP(network, link, &net.UDPAddr{IP: net.ParseIP(group), Port: 7})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	for _, counter := range []string{"groups4", "groups6", "neighbours"} {
		waitCounted(t, counter)
	}
	wantRefused(t, c, nil, 0)
	dhcp(t, peer, c)
}

// waitCounted waits for a counter to move: reports of groups go out with a delay.
func waitCounted(t *testing.T, counter string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if !strings.Contains(runNft(t, "", "list", "counter", "inet", "groups", counter), "packets 0 ") {
			return
		}
	}
	t.Errorf("no packet of %s went out", counter)
}

// dhcp asks from the client's port, and from another, which is not DHCP.
func dhcp(t *testing.T, peer *neighbour, c *Conn) {
	t.Helper()
	var server net.PacketConn
	peer.run(func() {
		var err error
		if server, err = net.ListenPacket("udp4", ":67"); err != nil {
			t.Error(err)
		}
	})
	defer func() { _ = server.Close() }()
	for port, out := range map[int]bool{68: true, 69: false} {
		conn, err := net.ListenPacket("udp4", hostV4+":"+strconv.Itoa(port))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP("10.77.0.255"), Port: 67})
		if err = errors.Join(err, conn.Close()); out != (err == nil) || !out && !errors.Is(err, unix.EPERM) {
			t.Errorf("from port %d: %v, want out: %t", port, err, out)
		}
	}
	_ = server.SetReadDeadline(time.Now().Add(5 * time.Second)) // see managed
	if _, from, err := server.ReadFrom(make([]byte, 9)); err != nil || from.String() != hostV4+":68" {
		t.Errorf("heard from %v: %v", from, err)
	}
	wantRefused(t, c, []Refusal{{
		To: netip.MustParseAddr("10.77.0.255"), Protocol: firewall.UDP, Port: 67, UID: new(uint32), Packets: 1, Bytes: 29,
	}}, 0)
}

// ping4 sends an echo request, without waiting for an answer.
func ping4(t *testing.T, from, to string) {
	t.Helper()
	conn, err := net.ListenIP("ip4:icmp", &net.IPAddr{IP: net.ParseIP(from)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.WriteTo([]byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// TestEgressOfNobody sends packets that no socket owns: those that a tunnel of the kernel wraps others in.
func TestEgressOfNobody(t *testing.T) {
	_, c := egressHost(t)
	tunnel := "link add vx0 type vxlan id 7 dstport 4789 remote " + strangerV4 + " local " + hostV4 + " dev h0"
	out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(tunnel)...).CombinedOutput()
	if err != nil {
		unprepared(t, "a tunnel of the kernel: %v: %s", err, out)
	}
	if err := c.Apply(t.Context(), compile(t, guardedEgress(firewall.EgressEnforce))); err != nil {
		t.Fatal(err)
	}
	ip(t, "link set vx0 addrgenmode none", "addr add 10.99.0.1/24 dev vx0", "link set vx0 up")
	ping4(t, "10.99.0.1", "10.99.0.2") // may go out; the question for its neighbour goes through the tunnel
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		got, err := c.Refused(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(got, func(r Refusal) bool {
			return r.UID == nil && r.To == netip.MustParseAddr(strangerV4) && r.Port == 4789 && r.Packets > 0
		}) {
			return
		}
	}
	got, err := c.Refused(t.Context())
	t.Errorf("what the kernel itself sent is not kept: %v, %v", got, err)
}

// TestRefusedIsBounded goes to more destinations than are kept: all are refused and counted, whose they were is kept as
// long as there is room, and where to for as long again. The kernel may find no memory for some of them at once: it has
// the counters' at hand in small amounts, and a worker that fetches more when it comes to run. So they are tried again
// until there was some for those beyond the room as well.
func TestRefusedIsBounded(t *testing.T) {
	_, c := egressHost(t)
	if err := c.Apply(t.Context(), compile(t, guardedEgress(firewall.EgressEnforce))); err != nil {
		t.Fatal(err)
	}
	ip(t, "route add 10.128.0.0/9 via "+adminV4)
	const tries, most = firewall.MaxKnocks + 500, firewall.MaxKnocks
	tried := uint64(0)
	eventually(t, "destinations without an owner are kept", func() bool {
		refusedEach(t, tries)
		tried += tries
		refused, err := c.Refused(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		owned, packets := 0, uint64(0)
		for _, r := range refused {
			packets += r.Packets
			if r.UID != nil {
				owned++
			}
		}
		counted := dumpHere(t).Counters()["c_drop_out"].Packets
		if counted != tried || owned > most || len(refused) > 2*most || packets > counted {
			t.Fatalf("%d refused, %d of known owners; %d packets, of %d counted and %d tried",
				len(refused), owned, packets, counted, tried)
		}
		return owned >= most/2 && len(refused) > owned
	})
}

// refusedEach sends a datagram to each of so many destinations, and wants each refused.
func refusedEach(t *testing.T, destinations int) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", hostV4+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for i := range destinations {
		to := &net.UDPAddr{IP: net.IPv4(10, 128, byte(i>>8), byte(i)), Port: 53}
		if _, err := conn.WriteTo([]byte("x"), to); !errors.Is(err, unix.EPERM) {
			t.Fatalf("to %s: %v, want refused", to, err)
		}
	}
}
