package firewall

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
)

// ports reads ports as an operator writes them.
func ports(words ...string) []Ports {
	var list []Ports
	for _, word := range words {
		p := Ports{Protocol: TCP}
		number, proto, _ := strings.Cut(word, "/")
		if proto == "udp" {
			p.Protocol = UDP
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

// policyFrom makes a policy out of random bytes, valid or not.
func policyFrom(data []byte) Policy {
	next := func() byte {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return b
	}
	p := Policy{Ping: next()%2 == 0, Forward: Forward(next() % 3), NoManagement: next()%2 == 0}
	for i := range int(next() % 4) {
		e := Exception{Name: fmt.Sprintf("e%d", i), Any: next()%4 == 0}
		if next()%16 == 0 {
			e.Name = string([]byte{next(), next()})
		}
		for range int(next() % 4) {
			e.Ports = append(e.Ports, Ports{
				Protocol: [...]Protocol{TCP, UDP, 1}[next()%3],
				First:    uint16(next())<<8 | uint16(next()), Last: uint16(next()) << 8,
			})
		}
		for range int(next() % 5) {
			if next()%2 == 0 {
				a := netip.AddrFrom4([4]byte{next(), next(), next(), next()})
				e.From = append(e.From, netip.PrefixFrom(a, int(next()%34)))
			} else {
				a := netip.AddrFrom16([16]byte{0x20, next(), next(), 15: next()})
				e.From = append(e.From, netip.PrefixFrom(a, int(next()%130)))
			}
		}
		for range int(next() % 3) {
			names := []string{"eth0", "eth*", "wg1", "a b", "", string([]byte{next()})}
			e.Interfaces = append(e.Interfaces, names[next()%6])
		}
		if next()%2 == 0 {
			p.Management = append(p.Management, e)
		} else {
			p.Allow = append(p.Allow, e)
		}
	}
	return p
}

// shuffled is the same policy in another order, with addresses that are not masked and some named twice.
func shuffled(p Policy, seed uint64) Policy {
	r := rand.New(rand.NewPCG(seed, 0))
	mix := func(list []Exception) []Exception {
		list = slices.Clone(list)
		for i, e := range list {
			e.Ports, e.From, e.Interfaces = slices.Clone(e.Ports), slices.Clone(e.From), slices.Clone(e.Interfaces)
			if len(e.From) > 0 {
				first := e.From[0]
				e.From = append(e.From, netip.PrefixFrom(lastAddr(first), first.Bits()), first.Masked())
			}
			r.Shuffle(len(e.Ports), func(a, b int) { e.Ports[a], e.Ports[b] = e.Ports[b], e.Ports[a] })
			r.Shuffle(len(e.From), func(a, b int) { e.From[a], e.From[b] = e.From[b], e.From[a] })
			r.Shuffle(len(e.Interfaces), func(a, b int) {
				e.Interfaces[a], e.Interfaces[b] = e.Interfaces[b], e.Interfaces[a]
			})
			list[i] = e
		}
		r.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
		return list
	}
	p.Management, p.Allow = mix(p.Management), mix(p.Allow)
	return p
}
