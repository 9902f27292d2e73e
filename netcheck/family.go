package netcheck

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"sallyport/check"
)

// setAside judges addresses that this host cannot send to at all for want of a route, as most hosts have none for IPv6.
// Where the target has an address of the other family that has a route, they do not count: every program on this host
// passes them by as well. Where a name has no other, and this host no address of their family, that is the cause.
func setAside(host string, attempts []attempt) {
	usable := func(a attempt) bool { return !unroutable(a) }
	for i := range attempts {
		a := &attempts[i]
		if !unroutable(*a) {
			continue
		}
		other := slices.ContainsFunc(attempts, func(b attempt) bool {
			return usable(b) && b.address.Addr().Is4() != a.address.Addr().Is4()
		})
		family := familyOf(a.address.Addr())
		switch {
		case other:
			a.skipped = "not tried: this host has no route for " + family
		case !slices.ContainsFunc(attempts, usable) && !isAddress(host) && !hasFamily(a.address.Addr()):
			a.err = &opinion{cause: check.ConnectNoAddress, err: a.err, words: "the name has no address that this host " +
				"can use: only " + family + " ones, and this host has none of its own"}
		}
	}
}

// unroutable says that the kernel had no way to send to the address. No source address (EADDRNOTAVAIL) is the same for
// a family that the host does not have, and else a want of ports.
func unroutable(a attempt) bool {
	at, ok := errors.AsType[*phaseError](a.err)
	if !ok || at.phase != phaseConnect {
		return false
	}
	if _, ok := errors.AsType[*icmpError](a.err); ok {
		return false // a router said so: this host did send
	}
	switch {
	case errors.Is(a.err, syscall.ENETUNREACH), errors.Is(a.err, syscall.EAFNOSUPPORT):
		return true
	case errors.Is(a.err, syscall.EADDRNOTAVAIL):
		return !hasFamily(a.address.Addr())
	default:
		return false
	}
}

func familyOf(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// hasFamily says whether this host has an address of a's family that reaches beyond itself and its links. Where the
// system does not tell (a sandbox without netlink), it is taken to have one.
func hasFamily(a netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(own, func(address net.Addr) bool {
		prefix, err := netip.ParsePrefix(address.String())
		return err == nil && prefix.Addr().Is4() == a.Is4() && prefix.Addr().IsGlobalUnicast()
	})
}
