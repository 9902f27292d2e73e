package kernel

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// sendUDP sends a datagram to a port of the host and closes the socket; to be called on the peer's thread.
func sendUDP(t *testing.T, from, to string, port int) {
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)}, &net.UDPAddr{IP: net.ParseIP(to), Port: port})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("knock")); err != nil {
		t.Error(err)
	}
}

// rawSegment is a TCP header with these flags and nothing after it.
func rawSegment(port uint16, flags firewall.Number) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b, 40000)
	binary.BigEndian.PutUint16(b[2:], port)
	binary.BigEndian.PutUint32(b[4:], 7)
	b[12], b[13] = 5<<4, byte(flags)
	binary.BigEndian.PutUint16(b[14:], 1000)
	return b
}

// withChecksum fills in the checksum of a segment between two IPv4 addresses (RFC 9293 section 3.1).
func withChecksum(segment []byte, from, to string) []byte {
	a, b := netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4()
	pseudo := slices.Concat(a[:], b[:], []byte{0, unix.IPPROTO_TCP, 0, byte(len(segment))}, segment)
	var sum uint32
	for i := 0; i+1 < len(pseudo); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(pseudo[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(segment[16:], ^uint16(sum))
	return segment
}

func sendSegments(t *testing.T, from, to string, port uint16, flags ...firewall.Number) {
	conn, err := net.ListenIP("ip4:tcp", &net.IPAddr{IP: net.ParseIP(from)})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	for _, f := range flags {
		segment := withChecksum(rawSegment(port, f), from, to)
		if _, err := conn.WriteTo(segment, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
			t.Error(err)
		}
	}
}

func knocksOf(t testing.TB, c *Conn) []Knock {
	t.Helper()
	knocks, err := c.Knocks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return knocks
}

// TestKnocks has strangers knock, in both families and protocols, and others make noise that is no knock.
func TestKnocks(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	c := open4Test(t)
	if err := c.Apply(t.Context(), compile(t, adminsOnly(adminV4+"/32", adminV6+"/128"))); err != nil {
		t.Fatal(err)
	}
	listen(t, 22)
	const fin, syn, rst, ack = firewall.FlagFIN, firewall.FlagSYN, firewall.FlagRST, firewall.FlagACK
	peer.run(func() {
		for _, to := range [][2]string{{strangerV4, hostV4}, {strangerV6, hostV6}, {adminV4, hostV4}} {
			if conn, err := dial(to[0], to[1], 22); err == nil {
				_ = conn.Close()
			}
		}
		for range 3 {
			sendUDP(t, strangerV4, hostV4, 161)
		}
		sendUDP(t, strangerV6, hostV6, 500)
		sendSegments(t, strangerV4, hostV4, 443, ack, syn|ack, rst, rst|ack, fin|ack, fin, syn|fin)
		sendSegments(t, adminV4, hostV4, 23, syn|firewall.FlagPSH)
		noise(t)
	})
	want := []Knock{
		{From: netip.MustParseAddr(strangerV4), Protocol: firewall.UDP, Port: 161, Packets: 3, Bytes: 3 * 33},
		{From: netip.MustParseAddr(adminV4), Protocol: firewall.TCP, Port: 23, Packets: 1, Bytes: 40},
		{From: netip.MustParseAddr(strangerV4), Protocol: firewall.TCP, Port: 22, Packets: 1, Bytes: 60},
		{From: netip.MustParseAddr(strangerV6), Protocol: firewall.TCP, Port: 22, Packets: 1, Bytes: 80},
		{From: netip.MustParseAddr(strangerV6), Protocol: firewall.UDP, Port: 500, Packets: 1, Bytes: 53},
	}
	got := knocksOf(t, c)
	for i := range got {
		if got[i].Expires <= 0 || got[i].Expires > time.Hour {
			t.Errorf("%v expires in %s", got[i].From, got[i].Expires)
		}
		got[i].Expires = 0
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	before := dumpHere(t)
	if n := before.Counters()["c_drop_in"].Packets; n < 8 { // 7 are knocks
		t.Errorf("%d dropped packets: what was no knock was not even dropped", n)
	}
	if n := before.Counters()["c_noise"].Packets; n == 0 {
		t.Error("there was no noise: the test proves nothing about it")
	}
	if !before.Equal(fresh(t, compile(t, adminsOnly(adminV4+"/32", adminV6+"/128")))) {
		t.Error("knocks are a drift")
	}
}

// noise sends to everybody on the link, on the peer's thread.
func noise(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(strangerV4)})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.WriteTo([]byte("x"), &net.UDPAddr{IP: net.ParseIP("10.77.0.255"), Port: 137}); err != nil {
		t.Error(err)
	}
}

// TestKnocksAreBounded floods from more sources than are kept: the set fills, and all of it is dropped and counted.
func TestKnocksAreBounded(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	c := open4Test(t)
	ip(t, "route add 10.128.0.0/9 dev h0")
	if err := c.Apply(t.Context(), compile(t, adminsOnly(adminV4+"/32"))); err != nil {
		t.Fatal(err)
	}
	victim, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 9})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = victim.Close() }()
	const sent = firewall.MaxKnocks + 1000
	peer.run(func() { knockFrom(t, sent) })
	dropped := dumpHere(t).Counters()["c_drop_in"].Packets
	if dropped != sent {
		t.Errorf("dropped %d of %d", dropped, sent)
	}
	began := time.Now()
	knocks := knocksOf(t, c)
	t.Logf("%d knocks read in %s", len(knocks), time.Since(began))
	if n := len(knocks); n > firewall.MaxKnocks || n < firewall.MaxKnocks/2 { // the kernel may lack memory for some at once
		t.Errorf("%d knocks are kept of %d, want %d", n, sent, firewall.MaxKnocks)
	}
	if err := victim.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, _, err := victim.ReadFrom(make([]byte, 9)); !timedOut(err) {
		t.Errorf("%d bytes came through: %v", n, err)
	}
}

// knockFrom sends datagrams of made-up sources, one each, on the peer's thread.
func knockFrom(t *testing.T, packets int) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = unix.Close(fd) }()
	to := netip.MustParseAddr(hostV4).As4()
	for i := range packets {
		from := [4]byte{10, 128 | byte(i>>16), byte(i >> 8), byte(i)}
		if err := unix.Sendto(fd, datagram(from, to, 9), 0, &unix.SockaddrInet4{Addr: to}); err != nil {
			t.Error(err)
			return
		}
	}
}

// datagram is an IPv4 packet with an empty UDP datagram in it; the kernel fills in the header's checksum (raw(7)).
func datagram(from, to [4]byte, port uint16) []byte {
	b := make([]byte, 28)
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	binary.BigEndian.PutUint16(b[20:], 40000)
	binary.BigEndian.PutUint16(b[22:], port)
	binary.BigEndian.PutUint16(b[24:], 8)
	return b
}

// TestKnocksOfWhatIsNotThere reads where there is no table, where there are no such sets, and where they are another's.
func TestKnocksOfWhatIsNotThere(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	for _, script := range []string{
		"", "table inet sallyport { }",
		"table inet sallyport { set knock4 { type ipv4_addr; elements = { 10.0.0.1 }; }; " +
			"set knock6 { type ipv6_addr . inet_proto . inet_service . uid; elements = { ::1 . 6 . 1 . 7 }; }; " +
			"map refused4 { type ipv4_addr : verdict; elements = { 10.0.0.1 : drop }; }; }",
	} {
		loadNft(t, script+"\n")
		if got := knocksOf(t, c); len(got) > 0 {
			t.Errorf("after %q: %v", script, got)
		}
		if got, err := c.Refused(t.Context()); err != nil || len(got) > 0 {
			t.Errorf("after %q: %v, %v", script, got, err)
		}
	}
}

// TestReadTally holds the layouts of keys, and passes by what is none.
func TestReadTally(t *testing.T) {
	native := binary.NativeEndian.AppendUint32(nil, 4242)
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	rest := []byte{17, 0, 0, 0, 0x12, 0x34, 0, 0}
	for _, c := range []struct {
		key  []byte
		addr netip.Addr
		uid  bool
	}{
		{slices.Concat(v4.AsSlice(), rest), v4, false}, {slices.Concat(v4.AsSlice(), rest, native), v4, true},
		{slices.Concat(v6.AsSlice(), rest), v6, false}, {slices.Concat(v6.AsSlice(), rest, native), v6, true},
	} {
		got, ok := readTally(rawElement{key: c.key})
		if !ok || got.addr != c.addr || got.protocol != firewall.UDP || got.port != 0x1234 || c.uid != (got.uid != nil) ||
			c.uid && *got.uid != 4242 {
			t.Errorf("%x: %+v, %t", c.key, got, ok)
		}
	}
	for n := range 40 {
		_, ok := readTally(rawElement{key: make([]byte, n)})
		if want := slices.Contains([]int{12, 16, 24, 28}, n); ok != want {
			t.Errorf("a key of %d bytes is read: %t", n, ok)
		}
	}
}

// FuzzKnocks reads elements of arbitrary bytes: no panic, and nothing but what the bytes hold.
func FuzzKnocks(f *testing.F) {
	f.Add(attribute.Encode(unix.NFTA_SET_ELEM_LIST_ELEMENTS, attribute.Encode(1, slices.Concat(
		attribute.Encode(unix.NFTA_SET_ELEM_KEY, attribute.Encode(unix.NFTA_DATA_VALUE, make([]byte, 12))),
		attribute.Encode(unix.NFTA_SET_ELEM_EXPR, slices.Concat(attribute.String(unix.NFTA_EXPR_NAME, exprCounter),
			attribute.Encode(unix.NFTA_EXPR_DATA, attribute.Encode(unix.NFTA_COUNTER_PACKETS, make([]byte, 8)))))))))
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, message []byte) {
		elements, err := decodeElements([][]byte{message})
		if err != nil {
			return
		}
		for _, e := range elements {
			if got, ok := readTally(e); ok != got.addr.IsValid() || got.expires < 0 {
				t.Errorf("%x: %+v", e.key, got)
			}
		}
	})
}
