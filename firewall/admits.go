package firewall

import (
	"net/netip"
	"slices"
	"strings"
)

// Admits says whether the policy lets a packet from the address to the port in, on some interface at least. An IPv4
// address in IPv6 form, as a socket of both families tells it, is the IPv4 address; a zone says nothing here.
func (p Policy) Admits(from netip.Addr, protocol Protocol, port uint16) bool {
	return p.AdmitsBy("", from, protocol, port)
}

// AdmitsBy is Admits for a packet that comes in by an interface, by any where it is empty.
func (p Policy) AdmitsBy(name string, from netip.Addr, protocol Protocol, port uint16) bool {
	from = from.Unmap().WithZone("")
	return slices.ContainsFunc(slices.Concat(p.Management, p.Allow), func(e Exception) bool {
		return e.covers(from) && e.holdsOn(name) && among(e.Ports, protocol, port)
	})
}

func among(list []Ports, protocol Protocol, port uint16) bool {
	return slices.ContainsFunc(list, func(r Ports) bool {
		return r.Protocol == protocol && r.First <= port && port <= r.Last
	})
}

func (e Exception) holdsOn(name string) bool {
	return name == "" || len(e.Interfaces) == 0 || slices.ContainsFunc(e.Interfaces, func(pattern string) bool {
		stem, wild := strings.CutSuffix(pattern, "*")
		return pattern == name || wild && strings.HasPrefix(name, stem)
	})
}

func (e Exception) covers(from netip.Addr) bool {
	return e.Any || slices.ContainsFunc(e.From, func(p netip.Prefix) bool { return p.Contains(from) })
}
