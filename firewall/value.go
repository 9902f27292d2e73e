package firewall

import "net/netip"

// Value is one operand of a match or one part of a set's element: Number, Range, Addrs or Name.
type Value interface{ value() }

// Number is a number, such as a port, a protocol or an ICMP type. For CTState it is the bits of all states together.
type Number uint32

// Range is a range of numbers, both ends included.
type Range struct{ First, Last uint32 }

// Addrs is a range of addresses of one family, both ends included: one address where they are the same, and printed as a
// prefix where it is one.
type Addrs struct{ From, To netip.Addr }

// Name is an interface name; a trailing * stands for any rest.
type Name string

func (Number) value() {}
func (Range) value()  {}
func (Addrs) value()  {}
func (Name) value()   {}

// PrefixAddrs is the range that a prefix covers.
func PrefixAddrs(p netip.Prefix) Addrs {
	return Addrs{From: p.Masked().Addr(), To: lastAddr(p)}
}

func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := range b {
		if bits := p.Bits() - 8*i; bits < 8 {
			b[i] |= 0xff >> max(bits, 0)
		}
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}
