package proof

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Families, as netlink has them.
const (
	ipv4 uint8 = unix.AF_INET
	ipv6 uint8 = unix.AF_INET6
)

// edgePorts are the first and the last port of some of the ranges, as ranges of one port.
func edgePorts(ranges []firewall.Ports) []firewall.Ports {
	var edges []firewall.Ports
	for _, r := range some(ranges, maxPorts) {
		for _, port := range []uint16{r.First, r.Last} {
			edge := firewall.Ports{Protocol: r.Protocol, First: port, Last: port}
			if !slices.Contains(edges, edge) {
				edges = append(edges, edge)
			}
		}
	}
	return edges
}

// sources are addresses at the edges of an exception's.
type sources struct{ in, beside []netip.Addr }

// edgeSources are the first and last addresses of some of the exception's prefixes and those just beside them, by family;
// of everybody, whoever is far away.
func edgeSources(e firewall.Exception, p plan) map[uint8]sources {
	out := make(map[uint8]sources)
	for _, kind := range []uint8{ipv4, ipv6} {
		var s sources
		if e.Any {
			s.in = []netip.Addr{p.Far[kind], p.Next[kind]}
		}
		var of []netip.Prefix
		for _, prefix := range e.From {
			if family(prefix.Addr()) == kind {
				of = append(of, prefix)
			}
		}
		for _, prefix := range some(of, maxPrefixes) {
			first, last := edges(prefix)
			s.in = append(s.in, usableFrom(first, last, prefix)...)
			s.beside = append(s.beside, first.Prev(), last.Next())
		}
		out[kind] = s
	}
	return out
}

// edges are the first and the last address of a prefix.
func edges(p netip.Prefix) (first, last netip.Addr) {
	r := firewall.PrefixAddrs(p)
	return r.From, r.To
}

// usableFrom are the outermost addresses of the prefix that a packet can come from.
func usableFrom(first, last netip.Addr, p netip.Prefix) []netip.Addr {
	middle := first
	if p.Bits() < first.BitLen() {
		_, below := edges(netip.PrefixFrom(first, p.Bits()+1)) // the lower half
		middle = below.Next()
	}
	var out []netip.Addr
	for _, candidates := range [][]netip.Addr{{first, first.Next(), middle}, {last, last.Prev(), middle}} {
		i := slices.IndexFunc(candidates, func(a netip.Addr) bool { return usable(a) && p.Contains(a) })
		if i >= 0 && !slices.Contains(out, candidates[i]) {
			out = append(out, candidates[i])
		}
	}
	return out
}

// usable says whether the kernel looks at a packet from there at all (ip_route_input_slow and ip6_rcv_core drop the others
// before any rule can).
func usable(a netip.Addr) bool {
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(), a.Is4In6():
		return false
	case a.Is4():
		b := a.As4()
		return b[0] != 0 && b != [4]byte{255, 255, 255, 255}
	default:
		return true
	}
}

// some is at most n of the list: the first, the last, and others evenly between.
func some[T any](list []T, n int) []T {
	if len(list) <= n || n == 1 {
		return list[:min(n, len(list))]
	}
	out := make([]T, 0, n)
	for i := range n {
		out = append(out, list[i*(len(list)-1)/(n-1)])
	}
	return out
}

// named are interfaces by which the exception lets in: those that it names, or else any.
func named(e firewall.Exception, outside string) []string {
	if len(e.Interfaces) == 0 {
		return []string{outside}
	}
	var names []string
	for _, pattern := range some(e.Interfaces, maxPorts) {
		if stem, wild := strings.CutSuffix(pattern, "*"); wild {
			pattern = stem + "0"
		}
		names = append(names, pattern)
	}
	return names
}

// unnamed is the first of the names that no exception names, and the last where there is none.
func unnamed(all []firewall.Exception, names ...string) string {
	for _, name := range names {
		if !slices.ContainsFunc(all, func(e firewall.Exception) bool {
			return slices.ContainsFunc(e.Interfaces, func(pattern string) bool {
				stem, wild := strings.CutSuffix(pattern, "*")
				return pattern == name || wild && strings.HasPrefix(name, stem)
			})
		}) {
			return name
		}
	}
	return names[len(names)-1]
}

// mentions is how many prefixes of the exceptions hold the address.
func mentions(all []firewall.Exception, a netip.Addr) int {
	count := 0
	for _, e := range all {
		for _, p := range e.From {
			if p.Contains(a) {
				count++
			}
		}
	}
	return count
}

// unnamedPort is a port that no exception names for any protocol, 0 where they name all that are looked at.
func unnamedPort(all []firewall.Exception) uint16 {
	for port := uint16(4444); port < 65000; port++ {
		if !slices.ContainsFunc(all, func(e firewall.Exception) bool {
			return slices.ContainsFunc(e.Ports, func(r firewall.Ports) bool { return r.First <= port && port <= r.Last })
		}) {
			return port
		}
	}
	return 0
}
