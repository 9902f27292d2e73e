package firewall

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"go4.org/netipx"
)

// The words of nft for fields, values and statements. Only names that nft itself knows are used, none from /etc/services
// or /etc/protocols: the text must mean the same on every host.

// String is the field as nft writes it.
func (f Field) String() string {
	names := [...]string{
		MetaIIF: "iif", MetaOIF: "oif", MetaIIFName: "iifname", MetaOIFName: "oifname",
		MetaNFProto: "meta nfproto", MetaL4Proto: "meta l4proto", MetaPktType: "meta pkttype",
		CTState: "ct state", CTDirection: "ct direction",
		IPSaddr: "ip saddr", IPDaddr: "ip daddr", IP6Saddr: "ip6 saddr", IP6Daddr: "ip6 daddr",
		IP6HopLimit: "ip6 hoplimit",
		TCPSport:    "tcp sport", TCPDport: "tcp dport", UDPSport: "udp sport", UDPDport: "udp dport",
		TransportSport: "th sport", TransportDport: "th dport",
		ICMPType: "icmp type", ICMPv6Type: "icmpv6 type", TCPFlags: "tcp flags", MetaSKUID: "meta skuid",
	}
	if int(f) < len(names) && names[f] != "" {
		return names[f]
	}
	return "field " + strconv.Itoa(int(f))
}

// numberName is nft's symbol for a number in a field, empty where it has none.
func numberName(f Field, n Number) string {
	switch f {
	case MetaIIF, MetaOIF:
		if n == LoopbackIndex {
			return `"lo"`
		}
	case MetaNFProto:
		return map[Number]string{NFProtoIPv4: "ipv4", NFProtoIPv6: "ipv6"}[n]
	case MetaL4Proto:
		return map[Number]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}[n]
	case MetaPktType:
		return map[Number]string{0: "host", 1: "broadcast", 2: "multicast", 3: "other"}[n]
	case CTDirection:
		return map[Number]string{0: "original", 1: "reply"}[n]
	case CTState:
		return stateNames(n)
	case ICMPType:
		return icmpNames()[n]
	case ICMPv6Type:
		return icmpv6Names()[n]
	}
	return ""
}

func stateNames(bits Number) string {
	var names []string
	for _, state := range []struct {
		bit  Number
		name string
	}{
		{StateInvalid, "invalid"}, {StateEstablished, "established"}, {StateRelated, "related"}, {StateNew, "new"},
		{StateUntracked, "untracked"},
	} {
		if bits&state.bit != 0 {
			names = append(names, state.name)
			bits &^= state.bit
		}
	}
	if bits != 0 {
		return ""
	}
	return strings.Join(names, ",")
}

func icmpNames() map[Number]string {
	return map[Number]string{
		0: "echo-reply", 3: "destination-unreachable", 4: "source-quench", 5: "redirect", 8: "echo-request",
		11: "time-exceeded", 12: "parameter-problem",
	}
}

func icmpv6Names() map[Number]string {
	return map[Number]string{
		1: "destination-unreachable", 2: "packet-too-big", 3: "time-exceeded", 4: "parameter-problem",
		128: "echo-request", 129: "echo-reply", 130: "mld-listener-query", 131: "mld-listener-report",
		132: "mld-listener-done", 133: "nd-router-solicit", 134: "nd-router-advert", 135: "nd-neighbor-solicit",
		136: "nd-neighbor-advert", 137: "nd-redirect", 141: "ind-neighbor-solicit", 142: "ind-neighbor-advert",
		143: "mld2-listener-report",
	}
}

func valueText(f Field, v Value) string {
	switch v := v.(type) {
	case Number:
		if name := numberName(f, v); name != "" {
			return name
		}
		return strconv.FormatUint(uint64(v), 10)
	case Range:
		return fmt.Sprintf("%d-%d", v.First, v.Last)
	case Addrs:
		return v.String()
	case Name:
		return `"` + string(v) + `"`
	}
	return ""
}

// String is the range as nft writes it: an address, a prefix, or both ends.
func (a Addrs) String() string {
	if a.From == a.To {
		return a.From.String()
	}
	if p, ok := a.Prefix(); ok {
		return p.String()
	}
	return a.From.String() + "-" + a.To.String()
}

// Prefix is the prefix that covers exactly the range, if one does.
func (a Addrs) Prefix() (netip.Prefix, bool) {
	return netipx.IPRangeFrom(a.From, a.To).Prefix()
}

func valuesText(f Field, values []Value) string {
	if len(values) == 1 {
		return valueText(f, values[0])
	}
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = valueText(f, v)
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func not(n bool) string {
	if n {
		return "!= "
	}
	return ""
}

// String is the match as nft writes it.
func (m Match) String() string {
	if m.Mask != 0 && len(m.Values) == 1 {
		return m.maskedText()
	}
	return m.Field.String() + " " + not(m.Not) + valuesText(m.Field, m.Values)
}

// maskedText is `tcp flags & (fin | syn) == syn`.
func (m Match) maskedText() string {
	equal := "=="
	if m.Not {
		equal = "!="
	}
	value, ok := m.Values[0].(Number)
	if !ok || m.Field != TCPFlags {
		return fmt.Sprintf("%s & %#x %s %s", m.Field, uint32(m.Mask), equal, valueText(m.Field, m.Values[0]))
	}
	return fmt.Sprintf("%s & %s %s %s", m.Field, flagNames(m.Mask), equal, flagNames(value))
}

func flagNames(all Number) string {
	bits := all
	var names []string
	for _, flag := range []struct {
		bit  Number
		name string
	}{
		{FlagFIN, "fin"}, {FlagSYN, "syn"}, {FlagRST, "rst"}, {FlagPSH, "psh"}, {FlagACK, "ack"}, {FlagURG, "urg"},
	} {
		if bits&flag.bit != 0 {
			names = append(names, flag.name)
			bits &^= flag.bit
		}
	}
	switch {
	case bits != 0 || len(names) == 0:
		return fmt.Sprintf("%#x", uint32(all))
	case len(names) == 1:
		return names[0]
	}
	return "(" + strings.Join(names, " | ") + ")"
}

// String is the lookup as nft writes it.
func (l Lookup) String() string { return fieldsText(l.Fields) + " " + not(l.Not) + "@" + l.Set }

func fieldsText(fields []Field) string {
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = f.String()
	}
	return strings.Join(words, " . ")
}

// String is the match as nft writes it.
func (FIBMissing) String() string { return "fib saddr . iif oif missing" }

// String is the unit as nft writes it.
func (u Unit) String() string {
	switch u {
	case Second:
		return "second"
	case Minute:
		return "minute"
	case Hour:
		return "hour"
	case 24 * Hour:
		return "day"
	case 7 * 24 * Hour:
		return "week"
	}
	return strconv.FormatUint(uint64(u), 10) + "s"
}

// String is the limit as nft writes it.
func (l Limit) String() string {
	return fmt.Sprintf("limit rate %d/%s burst %d packets", l.Rate, l.Per, l.Burst)
}

// String is the counter as nft writes it.
func (c Counter) String() string {
	if c.Name == "" {
		return "counter"
	}
	return fmt.Sprintf("counter name %q", c.Name)
}

// String is the log statement as nft writes it.
func (l Log) String() string {
	text := "log"
	if l.Prefix != "" {
		text += fmt.Sprintf(" prefix %q", l.Prefix)
	}
	if l.Group != nil {
		return fmt.Sprintf("%s group %d", text, *l.Group)
	}
	return text + " level " + l.Level.String()
}

// String is the level as nft writes it.
func (l Level) String() string {
	names := [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}
	if int(l) < len(names) {
		return names[l]
	}
	return strconv.FormatUint(uint64(l), 10)
}

// String is the statement as nft writes it.
func (a Add) String() string {
	text := "add @" + a.Set + " { " + fieldsText(a.Fields)
	if a.Limit != nil {
		text += " " + a.Limit.String()
	}
	if a.Counter {
		text += " counter"
	}
	return text + " }"
}

// String is the verdict as nft writes it.
func (v Verdict) String() string {
	switch v.Kind {
	case Accept:
		return "accept"
	case Drop:
		return "drop"
	case Jump:
		return "jump " + v.Chain
	case Goto:
		return "goto " + v.Chain
	case Return:
		return "return"
	}
	return "verdict " + strconv.Itoa(int(v.Kind))
}

// String is the rejection as nft writes it.
func (r Reject) String() string {
	switch r.Kind {
	case TCPReset:
		return "reject with tcp reset"
	case AdminProhibited:
		return "reject with icmpx admin-prohibited"
	}
	return "reject " + strconv.Itoa(int(r.Kind))
}

// String is the statement as far as it could be told.
func (o Opaque) String() string { return o.Text }
