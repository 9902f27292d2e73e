package dial

import (
	"net"
	"net/netip"
	"slices"
)

// Family is the name of an address's family: IPv4 or IPv6.
func Family(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// HasFamily says whether this host has an address of a's family that reaches beyond itself and its links. Where the
// system does not tell (a sandbox without netlink), it is taken to have one.
func HasFamily(a netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(own, func(address net.Addr) bool {
		prefix, err := netip.ParsePrefix(address.String())
		return err == nil && prefix.Addr().Is4() == a.Is4() && prefix.Addr().IsGlobalUnicast()
	})
}
