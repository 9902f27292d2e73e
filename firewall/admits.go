package firewall

import (
	"net/netip"
	"slices"
)

// Admits says whether the policy lets a packet from the address to the port in, on some interface at least.
func (p Policy) Admits(from netip.Addr, protocol Protocol, port uint16) bool {
	return slices.ContainsFunc(slices.Concat(p.Management, p.Allow), func(e Exception) bool {
		return e.covers(from) && slices.ContainsFunc(e.Ports, func(r Ports) bool {
			return r.Protocol == protocol && r.First <= port && port <= r.Last
		})
	})
}

func (e Exception) covers(from netip.Addr) bool {
	return e.Any || slices.ContainsFunc(e.From, func(p netip.Prefix) bool { return p.Contains(from) })
}
