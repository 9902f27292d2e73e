package resolver

import (
	"net/netip"
	"slices"
	"strings"
)

// IsPublicName says whether a name lies in the public tree: two labels or more, and not below a domain that is set
// aside for private use (RFC 2606, RFC 6761, RFC 6762, RFC 7686, RFC 8375, ICANN's .internal) or is commonly taken
// for it (RFC 6762 appendix G).
func IsPublicName(name string) bool {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	if len(labels) < 2 || slices.Contains(labels, "") {
		return false
	}
	private := []string{
		"alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain",
		"localhost", "onion", "private", "test",
	}
	return !slices.Contains(private, labels[len(labels)-1])
}

// unfitForPublic says what makes the address one that no public name has: this host itself, the link, or a cloud's
// metadata service, the usual ends of a poisoned or a sinkholed name. It is empty for any other address.
func unfitForPublic(addr netip.Addr) string {
	addr = addr.Unmap()
	metadata := []string{"169.254.169.254", "100.100.100.200", "fd00:ec2::254"} // AWS, GCP, Azure; Alibaba; AWS on IPv6
	thisNetwork := netip.PrefixFrom(netip.IPv4Unspecified(), 8)                 // RFC 1122 section 3.2.1.3
	switch {
	case slices.Contains(metadata, addr.String()):
		return "the address of a cloud's metadata service"
	case addr.IsLoopback():
		return "a loopback address"
	case addr.IsUnspecified(), thisNetwork.Contains(addr):
		return "an unspecified address"
	case addr.IsLinkLocalUnicast():
		return "a link-local address"
	case addr.IsMulticast():
		return "a multicast address"
	default:
		return ""
	}
}

// internal says what makes the address one of somebody's inner network. A public name may well lead there, where a
// company has a split view of it; a resolver that is lied to leads there as well. It is empty for any other address.
func internal(addr netip.Addr) string {
	addr = addr.Unmap()
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
	switch {
	case addr.IsPrivate():
		return "a private address" // RFC 1918 and RFC 4193
	case shared.Contains(addr):
		return "an address of a carrier's shared space" // RFC 6598
	default:
		return ""
	}
}
