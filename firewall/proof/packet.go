package proof

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Packets are made by hand: five headers without options, against a library of every protocol there is.

// Flags of TCP (RFC 9293 section 3.1).
const (
	flagSYN byte = 1 << 1
	flagRST byte = 1 << 2
	flagACK byte = 1 << 4
)

// hops is the hop limit of neighbour discovery (RFC 4861 section 11.2), and good for every other packet.
const hops = 255

// segment is a TCP segment without options.
type segment struct {
	from, to netip.AddrPort
	flags    byte
	seq, ack uint32
}

// packet is the segment in its IP packet.
func (s segment) packet() []byte {
	b := make([]byte, 0, 20)
	b = binary.BigEndian.AppendUint16(b, s.from.Port())
	b = binary.BigEndian.AppendUint16(b, s.to.Port())
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	b = append(b, 5<<4, s.flags, 0xff, 0xff, 0, 0, 0, 0) // five words of header, the window, checksum, urgent pointer
	binary.BigEndian.PutUint16(b[16:], transportSum(s.from.Addr(), s.to.Addr(), unix.IPPROTO_TCP, b))
	return packet(s.from.Addr(), s.to.Addr(), unix.IPPROTO_TCP, b)
}

// udp is a datagram (RFC 768) in its IP packet.
func udp(from, to netip.AddrPort, data []byte) []byte {
	b := make([]byte, 0, 8+len(data))
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(append(b, 0, 0), data...)
	sum := transportSum(from.Addr(), to.Addr(), unix.IPPROTO_UDP, b)
	if sum == 0 {
		sum = 0xffff // 0 is for none (RFC 768)
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return packet(from.Addr(), to.Addr(), unix.IPPROTO_UDP, b)
}

// icmp is a message of ICMP (RFC 792) or, between IPv6 addresses, ICMPv6 (RFC 4443) in its IP packet: the four bytes
// behind the checksum, and what follows.
func icmp(from, to netip.Addr, kind, code byte, rest uint32, data []byte) []byte {
	b := make([]byte, 0, 8+len(data))
	b = binary.BigEndian.AppendUint32(append(b, kind, code, 0, 0), rest)
	b = append(b, data...)
	if from.Is4() {
		binary.BigEndian.PutUint16(b[2:], checksum(b, 0))
		return packet(from, to, unix.IPPROTO_ICMP, b)
	}
	binary.BigEndian.PutUint16(b[2:], transportSum(from, to, unix.IPPROTO_ICMPV6, b))
	return packet(from, to, unix.IPPROTO_ICMPV6, b)
}

// packet puts an IPv4 (RFC 791) or IPv6 header (RFC 8200) before the payload, as the addresses are.
func packet(from, to netip.Addr, protocol byte, payload []byte) []byte {
	if from.Is6() {
		b := make([]byte, 0, header6+len(payload))
		b = append(b, 6<<4, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
		b = append(b, protocol, hops)
		b = append(append(b, from.AsSlice()...), to.AsSlice()...)
		return append(b, payload...)
	}
	b := make([]byte, 0, header4+len(payload))
	b = append(b, 4<<4|header4/4, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(header4+len(payload)))
	b = append(b, 0, 0, 0x40, 0, hops, protocol, 0, 0) // identification, don't fragment, hops, protocol, checksum
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(b[10:], checksum(b, 0))
	return append(b, payload...)
}

// Lengths of IP headers, in bytes, without options.
const (
	header4 = 20
	header6 = 40
)

// transportSum is the checksum over the pseudo-header and the payload (RFC 9293 section 3.1, RFC 8200 section 8.1). Its own
// field in the payload is zero.
func transportSum(from, to netip.Addr, protocol byte, payload []byte) uint16 {
	sum := uint32(protocol) + uint32(len(payload))
	sum = partialSum(from.AsSlice(), sum)
	sum = partialSum(to.AsSlice(), sum)
	return checksum(payload, sum)
}

// checksum is that of the Internet (RFC 1071).
func checksum(b []byte, sum uint32) uint16 {
	sum = partialSum(b, sum)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func partialSum(b []byte, sum uint32) uint32 {
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) > 0 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
