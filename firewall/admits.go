package firewall

import (
	"net/netip"
	"slices"
)

// Admits says whether the policy lets a packet from the address to the port in, on some interface at least. An IPv4
// address in IPv6 form, as a socket of both families tells it, is the IPv4 address; a zone says nothing here.
func (p Policy) Admits(from netip.Addr, protocol Protocol, port uint16) bool {
	from = from.Unmap().WithZone("")
	return slices.ContainsFunc(slices.Concat(p.Management, p.Allow), func(e Exception) bool {
		return e.covers(from) && among(e.Ports, protocol, port)
	})
}

func among(list []Ports, protocol Protocol, port uint16) bool {
	return slices.ContainsFunc(list, func(r Ports) bool {
		return r.Protocol == protocol && r.First <= port && port <= r.Last
	})
}

func (e Exception) covers(from netip.Addr) bool {
	return e.Any || slices.ContainsFunc(e.From, func(p netip.Prefix) bool { return p.Contains(from) })
}
