package config

import (
	"net/netip"
	"strings"
)

// sender is where packets of an exception come from: a network, or from anywhere.
type sender struct {
	any    bool
	prefix netip.Prefix
}

// senders is the form of one entry of from: a network, an address, or the word any.
func senders() form[sender] {
	return parsed(`^(any|[0-9.]+(/[0-9]{1,2})?|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$`, func(s string) (sender, string, string) {
		if s == "any" {
			return sender{any: true}, "", ""
		}
		if strings.EqualFold(s, "any") || s == "*" || s == "all" {
			return sender{}, quote(s) + " is not a network", "write any, if everybody is meant"
		}
		p, message, mend := parsePrefix(s)
		return sender{prefix: p}, message, mend
	})
}

// parsePrefix is a network without bits beyond its prefix length, or a single address.
func parsePrefix(s string) (p netip.Prefix, message, mend string) {
	const form = "write a network, as in 10.20.0.0/24 or 2001:db8:20::/64, or one address"
	host, length, slash := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil && strings.ContainsFunc(host, isLetter) && !strings.Contains(host, ":"):
		return p, quote(s) + " is a name, not a network",
			"write its addresses: a firewall that trusts names trusts whoever answers for them"
	case err != nil:
		return p, quote(s) + " is not a network", form
	case addr.Zone() != "":
		return p, quote(s) + " has a zone", "write " + addr.WithZone("").String() + ", and the interface under interfaces"
	case addr.Is4In6():
		return p, quote(s) + " is an IPv4 address written as IPv6", "write " + addr.Unmap().String()
	case addr.IsMulticast():
		return p, quote(s) + " is a multicast address: no host has it", form
	case !slash:
		if addr.IsUnspecified() {
			return p, quote(s) + " is no host's address", "write any, if everybody is meant"
		}
		return netip.PrefixFrom(addr, addr.BitLen()), "", ""
	}
	p, err = netip.ParsePrefix(s)
	switch {
	case err != nil:
		return p, quote("/"+length) + " is not a prefix length", "write /1 to /32 for IPv4 and up to /128 for IPv6; " +
			"255.255.255.0 is /24"
	case p.Bits() == 0:
		return p, quote(s) + " is everybody, but does not say so", "write any (IPv4 and IPv6) if that is meant"
	case p != p.Masked():
		return p, quote(s) + " has bits set beyond its prefix length", "write " + p.Masked().String() +
			" for the network, or " + addr.String() + " for this one host"
	}
	return p, "", ""
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }
