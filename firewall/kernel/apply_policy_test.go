package kernel

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"sallyport/firewall"
)

// randomPolicy makes a valid policy out of a seed: overlapping and touching sources, ports at both ends of their range,
// interfaces with and without a wildcard.
func randomPolicy(seed uint64) firewall.Policy {
	r := rand.New(rand.NewPCG(seed, 1))
	p := firewall.Policy{Ping: r.IntN(2) == 0, Forward: firewall.Forward(r.IntN(3)), NoManagement: true}
	for i := range r.IntN(3) {
		p.Management = append(p.Management, randomException(r, fmt.Sprintf("m%d", i)))
	}
	for i := range r.IntN(4) {
		p.Allow = append(p.Allow, randomException(r, fmt.Sprintf("a.%d-x", i)))
	}
	p.Egress = randomEgress(r)
	return p
}

func randomEgress(r *rand.Rand) firewall.Egress {
	e := firewall.Egress{Mode: firewall.EgressMode(r.IntN(3))}
	for i := range r.IntN(4) {
		d := firewall.Destination{Name: fmt.Sprintf("d.%d-x", i), Any: r.IntN(4) == 0}
		for range 1 + r.IntN(3) {
			d.Ports = append(d.Ports, randomPorts(r))
		}
		for range r.IntN(4) {
			if !d.Any {
				d.To = append(d.To, randomPrefix(r))
			}
		}
		if !d.Any && (len(d.To) == 0 || r.IntN(2) == 0) {
			d.Names = []string{"Dc1.corp.example.", "console.us.code42.com"}[:1+r.IntN(2)]
		}
		for range r.IntN(4) {
			d.Users = append(d.Users, uint32(r.IntN(1000)))
		}
		e.To = append(e.To, d)
	}
	return e
}

func randomException(r *rand.Rand, name string) firewall.Exception {
	e := firewall.Exception{Name: name, Any: r.IntN(5) == 0}
	for range 1 + r.IntN(4) {
		e.Ports = append(e.Ports, randomPorts(r))
	}
	for range 1 + r.IntN(6) {
		if !e.Any {
			e.From = append(e.From, randomPrefix(r))
		}
	}
	if !e.Any && r.IntN(3) == 0 { // so many that they have a set of their own
		for range 90 + r.IntN(60) {
			e.From = append(e.From,
				netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(r.IntN(8)), byte(r.IntN(256))}), 32),
				netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 14: byte(r.IntN(8)), 15: byte(r.IntN(256))}), 128))
		}
	}
	names := []string{"eth0", "eth1", "wg*", "eth*", "br-lan", "veth123456789ab"}
	for range r.IntN(3) {
		e.Interfaces = append(e.Interfaces, names[r.IntN(len(names))])
	}
	return e
}

func randomPorts(r *rand.Rand) firewall.Ports {
	p := firewall.Ports{Protocol: firewall.TCP, First: uint16(1 + r.IntN(200))}
	if r.IntN(2) == 0 {
		p.Protocol = firewall.UDP
	}
	p.Last = p.First
	switch r.IntN(6) {
	case 0:
		p.Last = 65535
	case 1, 2:
		p.Last += uint16(r.IntN(50))
	case 3:
		p.First, p.Last = 65535, 65535
	}
	return p
}

func randomPrefix(r *rand.Rand) netip.Prefix {
	switch r.IntN(6) {
	case 0: // reaches the last address there is
		return netip.MustParsePrefix("240.0.0.0/4")
	case 1:
		return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(r.IntN(4))}), 40+r.IntN(89))
	case 2:
		b := [16]byte{0x20, 1, 0xd, 0xb8, 15: byte(r.IntN(8))}
		return netip.PrefixFrom(netip.AddrFrom16(b), 124+r.IntN(5))
	case 3:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(3)), byte(r.IntN(4)), 0}), 8+r.IntN(25))
	default:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(16))}), 28+r.IntN(5))
	}
}

func compile(t testing.TB, p firewall.Policy) firewall.Ruleset {
	t.Helper()
	r, err := firewall.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wide is a policy with so many CIDRs that do not touch, three in four of them IPv4.
func wide(cidrs int) firewall.Policy {
	e := firewall.Exception{Name: "wide", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}}}
	for i := range cidrs {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 15), byte(i >> 7), byte(i << 1)}), 32)
		if i%4 == 3 {
			a := [16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 16), byte(i >> 8), byte(i)}
			p = netip.PrefixFrom(netip.AddrFrom16(a), 64)
		}
		e.From = append(e.From, p)
	}
	return firewall.Policy{Management: []firewall.Exception{e}}
}

// ports reads ports as an operator writes them.
func ports(words ...string) []firewall.Ports {
	var list []firewall.Ports
	for _, word := range words {
		p := firewall.Ports{Protocol: firewall.TCP}
		number, proto, _ := strings.Cut(word, "/")
		if proto == "udp" {
			p.Protocol = firewall.UDP
		}
		if n, _ := fmt.Sscanf(number, "%d-%d", &p.First, &p.Last); n == 1 {
			p.Last = p.First
		}
		list = append(list, p)
	}
	return list
}

func prefixes(words ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(words))
	for i, word := range words {
		list[i] = netip.MustParsePrefix(word)
	}
	return list
}
