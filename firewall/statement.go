package firewall

// Statement is one match or one action of a rule. The vocabulary is sealed: Match, Lookup, FIBMissing, Limit, Counter,
// Log, Add, Verdict, Reject and Opaque. String is its nft text.
type Statement interface {
	String() string
	statement()
}

// Match compares a field of the packet. With one value it is a comparison, with several the packet must have one of them
// (an anonymous set).
type Match struct {
	Field  Field
	Not    bool
	Values []Value // ascending, without overlap

	// Mask is the bits of the field that are compared with the one value. TCPFlags must have one, no other field may.
	Mask Number
}

// Lookup asks whether a named set has the packet's field; several fields are concatenated.
type Lookup struct {
	Fields []Field
	Not    bool
	Set    string
}

// FIBMissing matches a packet whose source has no route back by the interface it came in (fib saddr . iif oif missing):
// strict reverse path filtering, RFC 3704 section 2.2.
type FIBMissing struct{}

// Limit matches up to a rate.
type Limit struct {
	Rate  uint64 // packets in each Per
	Per   Unit
	Burst uint32 // packets over the rate before it holds
}

// Unit is the time that a rate is counted in.
type Unit uint64

// The units of a rate, in seconds as the kernel has them.
const (
	Second Unit = 1
	Minute Unit = 60
	Hour   Unit = 3600
)

// Counter counts packets and bytes.
type Counter struct {
	Name string // a named counter of the table; empty: the rule's own, which starts anew when the rule is written
}

// Log writes the packet's headers to the kernel log, or to a netlink group where one is given.
type Log struct {
	Prefix string // at most 127 bytes (NF_LOG_PREFIXLEN)
	Level  Level  // of the kernel log
	Group  *uint16
}

// Level is a syslog severity of the kernel log.
type Level uint32

// LevelInfo is the severity of what needs nobody's attention.
const LevelInfo Level = 6

// Add puts the packet's fields, concatenated where there are several, into a dynamic set, with the set's timeout. With a
// limit, the rule goes on only as long as the element keeps to it. With a counter, the element counts the packets that it
// was added for. A set that is full takes no more, and the rule ends there.
type Add struct {
	Set     string
	Fields  []Field
	Limit   *Limit // not together with Counter
	Counter bool
}

// Verdict ends a rule.
type Verdict struct {
	Kind  VerdictKind
	Chain string // for Jump and Goto
}

// VerdictKind is what a verdict does with the packet.
type VerdictKind uint8

// The verdicts.
const (
	Accept VerdictKind = iota + 1
	Drop
	Jump   // go through a chain and come back
	Goto   // go through a chain and do not come back
	Return // back to where this chain was jumped to
)

// Reject drops the packet and tells its sender so.
type Reject struct {
	Kind RejectKind
}

// RejectKind is how the sender is told.
type RejectKind uint8

// The ways to reject.
const (
	TCPReset        RejectKind = iota + 1 // a segment with RST; only for TCP, which the rule must have matched
	AdminProhibited                       // ICMP type 3 code 13 (RFC 1812 section 5.2.7.1), ICMPv6 type 1 code 1 (RFC 4443)
)

// Opaque is a statement of a live rule that this vocabulary has no word for. Compile never makes one, and it cannot be
// written to the kernel.
type Opaque struct {
	Text string
}

func (Match) statement()      {}
func (Lookup) statement()     {}
func (FIBMissing) statement() {}
func (Limit) statement()      {}
func (Counter) statement()    {}
func (Log) statement()        {}
func (Add) statement()        {}
func (Verdict) statement()    {}
func (Reject) statement()     {}
func (Opaque) statement()     {}
