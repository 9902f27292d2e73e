package kernel

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

const (
	benchPort = 5514 // which the sources may send to, by UDP
	benchHost = "198.51.100.1"

	laneTurns = 60                   // of each lane
	laneTurn  = 3 * time.Millisecond // about how long one lasts
)

// lane is a network namespace with one ruleset, whose only interface is a TUN device. A write to the device takes a packet
// through the whole input path, on the writer's own processor, to a socket that keeps none, or to the rule that drops it:
// the time of the write is the time of the packet.
type lane struct {
	name   string
	tun    *os.File
	packet []byte
	took   []float64 // nanoseconds for a packet, turn by turn
}

// newLane makes the namespace, which stays that of the calling thread until the next is made.
func newLane(b *testing.B, name string, from netip.Addr) *lane {
	b.Helper()
	newNamespace(b)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unprepared(b, "/dev/net/tun: %v", err)
	}
	tun := os.NewFile(uintptr(fd), "tun")
	b.Cleanup(func() { _ = tun.Close() })
	request, err := unix.NewIfreq("t0")
	if err != nil {
		b.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unprepared(b, "a TUN device: %v", err)
	}
	ip(b, "addr add "+benchHost+"/24 dev t0", "link set t0 up", "link set lo up", "route add default dev t0")
	keepNone(b)
	return &lane{name: name, tun: tun, packet: datagramFrom(from)}
}

// keepNone opens the port with a socket whose filter throws every packet away.
func keepNone(b *testing.B) {
	b.Helper()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{Port: benchPort})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = socket.Close() })
	raw, err := socket.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	none := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: 1, Filter: &none})
	})
	if err != nil || failed != nil {
		b.Fatal(err, failed)
	}
}

// datagramFrom is a UDP packet to the port (RFC 791, RFC 768), without a checksum of its payload.
func datagramFrom(from netip.Addr) []byte {
	const header, payload = 20, 8 + 64
	p := make([]byte, header+payload)
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_UDP
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	source, target := from.As4(), netip.MustParseAddr(benchHost).As4()
	copy(p[12:], source[:])
	copy(p[16:], target[:])
	var sum uint32
	for i := 0; i < header; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(p[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(p[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(p[header:], benchPort)
	binary.BigEndian.PutUint16(p[header+2:], benchPort)
	binary.BigEndian.PutUint16(p[header+4:], payload)
	return p
}

// send sends packets for one turn.
func (l *lane) send(b *testing.B) {
	b.Helper()
	began, n := time.Now(), 0
	for ; time.Since(began) < laneTurn; n += 8 {
		for range 8 {
			if _, err := l.tun.Write(l.packet); err != nil {
				b.Fatal(err)
			}
		}
	}
	l.took = append(l.took, float64(time.Since(began).Nanoseconds())/float64(n))
}

// over is how this lane's time compares with another's in the same turn: the median, and how far the middle half of the
// turns lies apart.
func (l *lane) over(other *lane) (ratio, spread float64) {
	ratios := make([]float64, len(l.took))
	for i := range ratios {
		ratios[i] = l.took[i] / other.took[i]
	}
	slices.Sort(ratios)
	quarter := len(ratios) / 4
	return middle(ratios), ratios[len(ratios)-1-quarter] - ratios[quarter]
}

// everyOther is so many sources of which no two touch.
func everyOther(n, bits int) []netip.Prefix {
	list := make([]netip.Prefix, n)
	step := 2 << (32 - bits)
	for i := range list {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 10<<24+uint32(i*step))
		list[i] = netip.PrefixFrom(netip.AddrFrom4(a), bits)
	}
	return list
}

// linear is the policy as ufw and firewalld write it: what conntrack knows first, then a rule for each source.
func linear(sources []netip.Prefix) string {
	var s strings.Builder
	s.WriteString("table inet linear {\nchain input {\ntype filter hook input priority filter; policy drop;\n" +
		"iif lo accept\nct state established,related accept\nct state invalid drop\n")
	for _, from := range sources {
		fmt.Fprintf(&s, "ip saddr %s udp dport %d accept\n", from, benchPort)
	}
	s.WriteString("}\n}\n")
	return s.String()
}

// BenchmarkPacket has one packet judged by turns: by no ruleset at all, by ours, and by a rule for each source, with 10,
// 1,000 and 50,000 sources:
//
//   - last: it comes from the last source of the list, a single address;
//   - network: the same, where the sources are networks, which stand in a set of intervals;
//   - stranger: it comes from nowhere in the list, and is dropped.
//
// What ends in -x is a multiple of the time without a ruleset, which is empty-ns; flat is the time with 50,000 sources in
// that with 10, in ours. All are medians over the turns; flat-spread is how far the middle half of them lies apart.
func BenchmarkPacket(b *testing.B) {
	stranger := netip.MustParseAddr("192.0.2.66")
	for _, kind := range []struct {
		name string
		bits int
		from func([]netip.Prefix) netip.Addr
	}{
		{"last", 32, func(list []netip.Prefix) netip.Addr { return list[len(list)-1].Addr() }},
		{"network", 30, func(list []netip.Prefix) netip.Addr { return list[len(list)-1].Addr().Next() }},
		{"stranger", 32, func([]netip.Prefix) netip.Addr { return stranger }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			lanes := []*lane{newLane(b, "empty", stranger)}
			for _, n := range []int{10, 1000, 50_000} {
				sources := everyOther(n, kind.bits)
				ours := newLane(b, fmt.Sprintf("ours-%d", n), kind.from(sources))
				way := firewall.Exception{Name: "logs", Ports: ports(fmt.Sprintf("%d/udp", benchPort)), From: sources}
				rules := compile(b, firewall.Policy{Management: []firewall.Exception{way}})
				if err := open4Test(b).Apply(b.Context(), rules); err != nil {
					b.Fatal(err)
				}
				theirs := newLane(b, fmt.Sprintf("linear-%d", n), kind.from(sources))
				runNft(b, linear(sources), "-f", "-")
				lanes = append(lanes, ours, theirs)
			}
			race(b, lanes)
		})
	}
}

// race has the lanes send by turns, and reports.
func race(b *testing.B, lanes []*lane) {
	b.Helper()
	for b.Loop() {
		for range laneTurns {
			for _, l := range lanes {
				l.send(b)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(middle(lanes[0].took), "empty-ns")
	for _, l := range lanes[1:] {
		ratio, _ := l.over(lanes[0])
		b.ReportMetric(ratio, l.name+"-x")
	}
	flat, spread := lanes[len(lanes)-2].over(lanes[1])
	b.ReportMetric(flat, "flat")
	b.ReportMetric(spread, "flat-spread")
}
