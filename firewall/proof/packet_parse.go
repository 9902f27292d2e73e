package proof

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// seen is what there is to know of a packet that the kernel sent.
type seen struct {
	from, to netip.AddrPort // without a port where the protocol has none
	protocol byte           // of the transport, or 0
	payload  []byte         // the transport's header and what follows
}

// parse reads an IP packet; what is cut short or of an unknown version is not ok. Extension headers of IPv6 are not
// skipped: nothing that is waited for here has one.
func parse(b []byte) (s seen, ok bool) {
	if len(b) == 0 {
		return seen{}, false
	}
	var from, to netip.Addr
	switch b[0] >> 4 {
	case 4:
		length := int(b[0]&0xf) * 4
		if length < header4 || len(b) < length {
			return seen{}, false
		}
		from, to = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		s.protocol, s.payload = b[9], b[length:]
	case 6:
		if len(b) < header6 {
			return seen{}, false
		}
		from, to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		s.protocol, s.payload = b[6], b[header6:]
	default:
		return seen{}, false
	}
	var source, destination uint16
	if s.protocol == unix.IPPROTO_TCP || s.protocol == unix.IPPROTO_UDP {
		if len(s.payload) < 8 {
			return seen{}, false
		}
		source, destination = binary.BigEndian.Uint16(s.payload), binary.BigEndian.Uint16(s.payload[2:])
	}
	s.from, s.to = netip.AddrPortFrom(from, source), netip.AddrPortFrom(to, destination)
	return s, true
}

// tcp is the flags and the sequence number of a TCP segment.
func (s seen) tcp() (flags byte, seq uint32, ok bool) {
	if s.protocol != unix.IPPROTO_TCP || len(s.payload) < 20 {
		return 0, 0, false
	}
	return s.payload[13], binary.BigEndian.Uint32(s.payload[4:]), true
}

// icmp is the type of an ICMP or ICMPv6 message and the packet that it is about, where it is an error.
func (s seen) icmp() (kind byte, about []byte, ok bool) {
	if s.protocol != unix.IPPROTO_ICMP && s.protocol != unix.IPPROTO_ICMPV6 || len(s.payload) < 8 {
		return 0, nil, false
	}
	return s.payload[0], s.payload[8:], true
}
