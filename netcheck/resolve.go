package netcheck

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"sallyport/netcheck/resolver"
)

// maxAddresses bounds how many addresses of one name are tried.
const maxAddresses = 32

// resolve is every address of a host, A and AAAA, as this host's programs see it: /etc/hosts first, then the servers
// and the search list of resolv.conf. An address resolves to itself. The error is that of resolver.Diagnose, which asks
// the servers again to tell why, in the part of the time that is kept for it; or the caller's own giving up.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address.Unmap()}, nil
	}
	lookup, cancel := context.WithTimeout(ctx, share(ctx, 3, 5))
	defer cancel()
	system := net.Resolver{PreferGo: true}
	found, err := system.LookupNetIP(lookup, "ip", host)
	switch {
	case err == nil:
		return distinct(found), nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, &phaseError{phase: phaseDNS, err: context.Canceled}
	default:
		return nil, resolver.Diagnose(ctx, host, err)
	}
}

// distinct keeps the resolver's order (RFC 6724) and drops what comes twice.
func distinct(found []netip.Addr) []netip.Addr {
	var addresses []netip.Addr
	for _, address := range found {
		if address = address.Unmap(); !slices.Contains(addresses, address) && len(addresses) < maxAddresses {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// defaultTimeout is the deadline of a run whose context has none.
const defaultTimeout = 10 * time.Second

// share is part/whole of the time that ctx leaves.
func share(ctx context.Context, part, whole int) time.Duration {
	left := defaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		left = max(time.Until(deadline), 0)
	}
	return left / time.Duration(whole) * time.Duration(part)
}
