package firewall

// Field is a part of a packet, or of what the kernel knows about it, that a rule can look at.
type Field uint8

// The fields. A field of a header matches only packets that have that header: `ip saddr` only IPv4, `tcp dport` only TCP.
const (
	MetaIIF        Field = iota + 1 // index of the interface the packet came in by
	MetaOIF                         // index of the interface it leaves by
	MetaIIFName                     // name of the interface it came in by
	MetaOIFName                     // name of the interface it leaves by
	MetaNFProto                     // family: 2 IPv4, 10 IPv6
	MetaL4Proto                     // transport protocol, extension headers skipped
	MetaPktType                     // 0 to this host, 1 broadcast, 2 multicast, 3 to another host
	CTState                         // state of the connection, as bits
	CTDirection                     // 0 original, 1 reply
	IPSaddr                         // IPv4 source
	IPDaddr                         // IPv4 destination
	IP6Saddr                        // IPv6 source
	IP6Daddr                        // IPv6 destination
	IP6HopLimit                     // IPv6 hop limit
	TCPSport                        // TCP source port
	TCPDport                        // TCP destination port
	UDPSport                        // UDP source port
	UDPDport                        // UDP destination port
	TransportSport                  // source port of whatever transport protocol was matched before
	TransportDport                  // destination port of whatever transport protocol was matched before
	ICMPType                        // ICMP type (RFC 792)
	ICMPv6Type                      // ICMPv6 type (RFC 4443)
	TCPFlags                        // the flags of a TCP segment, as bits; compared under a mask only
	MetaSKUID                       // uid of who owns the sending socket; a packet without a socket has none
)

// Bits of TCPFlags (RFC 9293 section 3.1).
const (
	FlagFIN Number = 1
	FlagSYN Number = 2
	FlagRST Number = 4
	FlagPSH Number = 8
	FlagACK Number = 16
	FlagURG Number = 32
)

// Bits of CTState (nf_conntrack_common.h, as NF_CT_STATE_BIT gives them).
const (
	StateInvalid     Number = 1
	StateEstablished Number = 2
	StateRelated     Number = 4
	StateNew         Number = 8
	StateUntracked   Number = 64
)

// Values of MetaNFProto.
const (
	NFProtoIPv4 Number = 2
	NFProtoIPv6 Number = 10
)

// LoopbackIndex is the index of the loopback interface in every network namespace (LOOPBACK_IFINDEX, net/flow.h). Unlike
// its name it cannot be given to another interface.
const LoopbackIndex Number = 1
