package firewall

import "time"

// The sets in which the kernel itself keeps who was turned away, without a copy of a packet: one element for each
// combination of the fields of its key, with a counter. They are bounded, and their elements expire.
const (
	SetKnock4 = "knock4" // source address, transport protocol, port here
	SetKnock6 = "knock6"

	SetRefused4 = "refused4" // destination address, transport protocol, port there, uid of the socket's owner
	SetRefused6 = "refused6"

	SetUnowned4 = "unowned4" // as refused4, of packets without a socket, or for which refused4 has no room
	SetUnowned6 = "unowned6"
)

// MaxKnocks is how many elements each of those sets has at most; the packets of who comes after that are dropped all the
// same, and counted in total; so are those for whose element the kernel has no memory at once (it must not wait for any
// where packets are judged).
const MaxKnocks = 4096

// KnocksFor is how long an element stays after it came, whatever comes after it.
const KnocksFor = time.Hour

func tally(name string, key ...KeyType) Set {
	return Set{Name: name, Key: key, Dynamic: true, Timed: true, Timeout: KnocksFor, Size: MaxKnocks}
}

func knockSets() []Set {
	return []Set{
		tally(SetKnock4, IPv4Addr, InetProto, InetService),
		tally(SetKnock6, IPv6Addr, InetProto, InetService),
	}
}

// knocks keep who was turned away. Of TCP only the first segment of a connection counts: what comes late for a connection
// that this host has closed is none. Other protocols have no port to knock at. A set that is full ends the rule, and the
// packet is dropped by the last one.
func knocks() []Rule {
	first := firstSegment()
	add := func(set string, source, port Field) Add {
		return Add{Set: set, Fields: []Field{source, MetaL4Proto, port}, Counter: true}
	}
	const note = "who knocked where"
	return []Rule{
		rule(note, first, add(SetKnock4, IPSaddr, TCPDport)),
		rule(note, first, add(SetKnock6, IP6Saddr, TCPDport)),
		rule(note, add(SetKnock4, IPSaddr, UDPDport)),
		rule(note, add(SetKnock6, IP6Saddr, UDPDport)),
	}
}

// firstSegment is what begins a TCP connection (RFC 9293 section 3.5).
func firstSegment() Match {
	return Match{Field: TCPFlags, Mask: FlagFIN | FlagSYN | FlagRST | FlagACK, Values: []Value{FlagSYN}}
}

func notFirst() Match {
	m := firstSegment()
	m.Not = true
	return m
}
