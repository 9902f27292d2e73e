package census

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Matches and targets of xtables stand in rules of iptables-nft (nft_compat.c) and in legacy iptables. Their data are
// structs of linux/netfilter/xt_*.h in host order, which differ by revision.

// XTMatch reads a match of xtables in a rule of a family, by its name and revision, and what it carries.
func XTMatch(family byte, name string, revision uint64, info []byte) []Step {
	unread := []Step{StepOf(StepCondition, "xt match "+Visible(name))}
	var steps []Step
	var ok bool
	switch name {
	case "comment":
		return []Step{StepOf(StepPass, "comment")}
	case "limit", "hashlimit", "recent", "connlimit", "statistic", "quota", "connbytes", "time", "rateest", "nfacct":
		return []Step{StepOf(StepRate, "xt match "+name)}
	case "conntrack":
		steps, ok = conntrackMatch(revision, info)
	case "state":
		steps, ok = stateMatch(info)
	case "tcp":
		steps, ok = portsMatch(firewall.TCPSport, firewall.TCPDport, info, 11)
	case "udp":
		steps, ok = portsMatch(firewall.UDPSport, firewall.UDPDport, info, 8)
	case "multiport":
		steps, ok = multiportMatch(revision, info)
	case "addrtype":
		steps, ok = addrtypeMatch(revision, info)
	case "pkttype":
		steps, ok = pkttypeMatch(info)
	case "icmp", "icmp6":
		protocol := map[string]firewall.Number{"icmp": unix.IPPROTO_ICMP, "icmp6": unix.IPPROTO_ICMPV6}[name]
		return append([]Step{numberStep(firewall.MetaL4Proto, false, protocol)}, unread...)
	case "set":
		// The flag of an inverted match is the first of struct xt_set_info: index of 16 bits, dimension, flags.
		if len(info) > 3 && info[3]&1 == 0 {
			return []Step{StepOf(StepListed, "xt match set")}
		}
	case "iprange":
		steps, ok = iprangeMatch(family, info)
	}
	if !ok {
		return unread
	}
	return steps
}

func numberStep(f firewall.Field, not bool, values ...firewall.Number) Step {
	m := firewall.Match{Field: f, Not: not}
	for _, v := range values {
		m.Values = append(m.Values, v)
	}
	return Worded(StepMatch, m)
}

// Offsets in struct xt_conntrack_mtinfo1 to 3, after eight addresses of 16 bytes each, two times and a protocol.
const (
	conntrackFlags  = 146
	conntrackInvert = 148
	conntrackMask   = 150
	conntrackState  = 1 // XT_CONNTRACK_STATE
	conntrackAlias  = 1 << 13
)

// conntrackMatch reads a match of the state alone (XT_CONNTRACK_STATE_BIT numbers them as nf_conntrack does: invalid,
// established, related, new; untracked is bit 7).
func conntrackMatch(revision uint64, info []byte) ([]Step, bool) {
	if revision < 1 || revision > 3 || len(info) < conntrackMask+2 {
		return nil, false
	}
	flags := binary.NativeEndian.Uint16(info[conntrackFlags:]) &^ conntrackAlias
	invert := binary.NativeEndian.Uint16(info[conntrackInvert:])
	mask := uint32(info[conntrackMask])
	if revision > 1 {
		mask = uint32(binary.NativeEndian.Uint16(info[conntrackMask:]))
	}
	if flags != conntrackState {
		return nil, false
	}
	return stateSteps(mask, invert&conntrackState != 0)
}

// stateSteps puts the bits of xtables into those of nf_tables.
func stateSteps(mask uint32, not bool) ([]Step, bool) {
	// XT_CONNTRACK_STATE_UNTRACKED is 1 << (IP_CT_NUMBER + 3), IP_CT_NUMBER is 5.
	const same, translated, untracked = 0xf, 1<<6 | 1<<7, 1 << 8
	if mask&^translated == 0 && mask != 0 && !not {
		return []Step{StepOf(StepTranslated, "ct status snat,dnat")}, true
	}
	mask &^= translated // that a connection is translated is one more way to match
	bits := firewall.Number(mask & same)
	if mask&untracked != 0 {
		bits |= firewall.StateUntracked
	}
	if bits == 0 || mask&^(same|untracked) != 0 {
		return nil, false
	}
	return []Step{numberStep(firewall.CTState, not, bits)}, true
}

// stateMatch reads struct xt_state_info (XT_STATE_UNTRACKED is 1 << (IP_CT_NUMBER + 1)).
func stateMatch(info []byte) ([]Step, bool) {
	if len(info) < 4 {
		return nil, false
	}
	mask := binary.NativeEndian.Uint32(info)
	const untracked = 1 << 6
	if mask&untracked != 0 {
		mask = mask&^untracked | 1<<8
	}
	return stateSteps(mask, false)
}

// portsMatch reads struct xt_tcp or xt_udp, whose protocol the rule asks for besides: a range of source ports, one of
// destination ports, further conditions, and
// at an offset the flags that invert them.
func portsMatch(sport, dport firewall.Field, info []byte, inverted int) ([]Step, bool) {
	if len(info) <= inverted {
		return nil, false
	}
	var steps []Step
	for i, field := range []firewall.Field{sport, dport} {
		first, last := binary.NativeEndian.Uint16(info[4*i:]), binary.NativeEndian.Uint16(info[4*i+2:])
		not := info[inverted]&(1<<i) != 0
		if first > 0 || last < 0xffff || not {
			steps = append(steps, Worded(StepMatch,
				firewall.Match{Field: field, Not: not, Values: []firewall.Value{portRange(first, last)}}))
		}
	}
	if dport == firewall.TCPDport {
		steps = append(steps, tcpFlagsMatch(info)...)
	}
	return steps, true
}

// tcpFlagsMatch reads what struct xt_tcp says of flags and of an option.
func tcpFlagsMatch(info []byte) []Step {
	const option, mask, value, inverted, invertFlags = 8, 9, 10, 11, 4
	var steps []Step
	if info[mask] != 0 {
		steps = append(steps, Worded(StepMatch, firewall.Match{
			Field: firewall.TCPFlags, Mask: firewall.Number(info[mask]), Not: info[inverted]&invertFlags != 0,
			Values: []firewall.Value{firewall.Number(info[value])},
		}))
	}
	if info[option] != 0 {
		steps = append(steps, StepOf(StepCondition, "tcp option"))
	}
	return steps
}

func portRange(first, last uint16) firewall.Value {
	if first == last {
		return firewall.Number(first)
	}
	return firewall.Range{First: uint32(first), Last: uint32(last)}
}

// multiportMatch reads struct xt_multiport_v1: up to 15 ports, and which of them are the begin of a range.
func multiportMatch(revision uint64, info []byte) ([]Step, bool) {
	const ports, rangeFlags, invert, size, most = 2, 32, 47, 48, 15
	if revision != 1 || len(info) < size || int(info[1]) > most || info[0] > 1 {
		return nil, false
	}
	m := firewall.Match{Field: firewall.TransportSport, Not: info[invert] != 0}
	if info[0] == 1 { // XT_MULTIPORT_DESTINATION
		m.Field = firewall.TransportDport
	}
	port := func(i int) uint16 { return binary.NativeEndian.Uint16(info[ports+2*i:]) }
	for i := 0; i < int(info[1]); i++ {
		first := port(i)
		last := first
		if info[rangeFlags+i] != 0 && i+1 < int(info[1]) {
			i++
			last = port(i)
		}
		m.Values = append(m.Values, portRange(first, last))
	}
	return []Step{Worded(StepMatch, m)}, len(m.Values) > 0
}

// addrtypeMatch reads struct xt_addrtype_info_v1 where it asks whether the destination is local, alone.
func addrtypeMatch(revision uint64, info []byte) ([]Step, bool) {
	const local, invertDest, size = 1 << unix.RTN_LOCAL, 2, 8
	if revision != 1 || len(info) < size {
		return nil, false
	}
	source, dest := binary.NativeEndian.Uint16(info), binary.NativeEndian.Uint16(info[2:])
	flags := binary.NativeEndian.Uint32(info[4:])
	if source != 0 || flags&^invertDest != 0 {
		return nil, false
	}
	switch not := flags&invertDest != 0; {
	case dest == local:
		return []Step{LocalStep(not)}, true
	case dest&local == 0 && !not:
		return []Step{LocalStep(true), StepOf(StepCondition, "xt match addrtype")}, true
	default:
		return nil, false
	}
}

// pkttypeMatch reads struct xt_pkttype_info.
func pkttypeMatch(info []byte) ([]Step, bool) {
	if len(info) < 8 {
		return nil, false
	}
	kind, invert := binary.NativeEndian.Uint32(info), binary.NativeEndian.Uint32(info[4:])
	return []Step{numberStep(firewall.MetaPktType, invert != 0, firewall.Number(kind))}, true
}

// iprangeMatch reads struct xt_iprange_mtinfo: the ends of the sources, the ends of the destinations, 16 bytes each, flags.
func iprangeMatch(family byte, info []byte) ([]Step, bool) {
	const flagsAt, size, source, dest = 64, 65, 1, 2
	if len(info) < size {
		return nil, false
	}
	fields, length := [2]firewall.Field{firewall.IPSaddr, firewall.IPDaddr}, 4
	if family == unix.NFPROTO_IPV6 {
		fields, length = [2]firewall.Field{firewall.IP6Saddr, firewall.IP6Daddr}, 16
	}
	var steps []Step
	for i, flag := range []byte{source, dest} {
		if info[flagsAt]&flag == 0 {
			continue
		}
		from, _ := netip.AddrFromSlice(info[32*i : 32*i+length])
		to, _ := netip.AddrFromSlice(info[32*i+16 : 32*i+16+length])
		steps = append(steps, Worded(StepMatch, firewall.Match{
			Field: fields[i], Not: info[flagsAt]&(flag<<4) != 0,
			Values: []firewall.Value{firewall.Addrs{From: from, To: to}},
		}))
	}
	return steps, len(steps) > 0
}
