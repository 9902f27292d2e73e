package netcheck

import (
	"errors"
	"net/netip"
	"slices"
	"syscall"

	"sallyport/check"
	"sallyport/netcheck/dial"
)

// setAside judges addresses that this host cannot send to at all for want of a route, as most hosts have none for IPv6.
// Where the target has an address of the other family that has a route, they do not count: every program on this host
// passes them by as well. Where a name has no other, and this host no address of their family, that is the cause.
func setAside(host string, attempts []attempt) {
	usable := func(a attempt) bool { return !unroutable(a.err, a.address.Addr()) }
	for i := range attempts {
		a := &attempts[i]
		if usable(*a) {
			continue
		}
		other := slices.ContainsFunc(attempts, func(b attempt) bool {
			return usable(b) && b.address.Addr().Is4() != a.address.Addr().Is4()
		})
		family := dial.Family(a.address.Addr())
		wanted, chosen := errors.AsType[*dial.SourceError](a.err)
		switch {
		case other && chosen:
			a.skipped = "not tried: " + wanted.Error()
		case other:
			a.skipped = "not tried: this host has no route for " + family
		case !slices.ContainsFunc(attempts, usable) && !isAddress(host) && chosen:
			a.err = &opinion{cause: check.ConnectNoAddress, err: a.err, words: "the name has no address that the check " +
				"can reach: only " + family + " ones, and " + wanted.Error()}
		case !slices.ContainsFunc(attempts, usable) && !isAddress(host) && !dial.HasFamily(a.address.Addr()):
			a.err = &opinion{cause: check.ConnectNoAddress, err: a.err, words: "the name has no address that this host " +
				"can use: only " + family + " ones, and this host has none of its own"}
		}
	}
}

// unroutable says that the kernel had no way to send to the target. No source address (EADDRNOTAVAIL) is the same for
// a family that the host does not have, and else a want of ports.
func unroutable(err error, target netip.Addr) bool {
	at, ok := errors.AsType[*phaseError](err)
	if !ok || at.phase != phaseConnect {
		return false
	}
	if _, ok := errors.AsType[*dial.ICMPError](err); ok {
		return false // a router said so: this host did send
	}
	if lacking, ok := errors.AsType[*dial.SourceError](err); ok {
		return lacking.Lack == dial.OtherFamily
	}
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT):
		return true
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return !dial.HasFamily(target)
	default:
		return false
	}
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
