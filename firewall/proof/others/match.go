package others

import (
	"net/netip"
	"slices"

	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// conntrackPriority is where connection tracking hangs in prerouting and output (NF_IP_PRI_CONNTRACK): chains before it
// see no state.
const conntrackPriority = -200

// place is where a flow is asked about: which chain's rules.
type place struct {
	table    *census.Table
	sets     map[string]*firewall.Set
	links    map[uint32]string
	hook     string
	priority int32
}

// untracked says that no connection is known here yet.
func (p place) untracked() bool {
	return p.hook == "ingress" || p.hook == "egress" ||
		p.priority <= conntrackPriority && (p.hook == "prerouting" || p.hook == "output")
}

// condition says how much of the flow a step's condition holds for, and what narrows it.
func (p place) condition(f *flow, s *census.Step) (cover, reason) {
	switch s.Kind {
	case census.StepRate:
		return part, byRate
	case census.StepListed:
		return part, byList
	case census.StepLocal:
		return localCover(f, s.Not), byNothing
	case census.StepCondition:
		return part, byUnknown
	case census.StepTranslated:
		return none, byNothing // a flow is what nobody has translated
	case census.StepMatch:
		if p.table.Family == "arp" {
			return part, byUnknown // its headers are not those of the flow
		}
		switch w := s.Word.(type) {
		case firewall.Match:
			return p.match(f, w)
		case firewall.Lookup:
			return p.lookup(f, w)
		case firewall.FIBMissing:
			return none, byNothing // what has no route back does not get this far
		}
		return part, byUnknown
	default:
		return all, byNothing
	}
}

func localCover(f *flow, not bool) cover {
	c := none
	if f.local {
		c = all
	}
	if not {
		return c.not()
	}
	return c
}

func (p place) match(f *flow, m firewall.Match) (cover, reason) {
	c, why := p.field(f, m)
	if m.Not && c != part {
		// `ip saddr != ...` is only asked of what has an IPv4 header at all.
		if !has(f, m.Field) {
			return none, byNothing
		}
		return c.not(), why
	}
	return c, why
}

// has says whether the packets of the flow have the header that a field is of.
func has(f *flow, field firewall.Field) bool {
	switch field {
	case firewall.IPSaddr, firewall.IPDaddr:
		return f.family == firewall.NFProtoIPv4
	case firewall.IP6Saddr, firewall.IP6Daddr, firewall.IP6HopLimit:
		return f.family == firewall.NFProtoIPv6
	case firewall.ICMPType, firewall.ICMPv6Type:
		return false
	case firewall.TCPSport, firewall.TCPDport, firewall.TCPFlags:
		return f.protocol == firewall.Number(firewall.TCP)
	case firewall.UDPSport, firewall.UDPDport:
		return f.protocol == firewall.Number(firewall.UDP)
	default:
		return true
	}
}

// field compares a field of the flow with the values of a match, as if it were not inverted.
func (p place) field(f *flow, m firewall.Match) (cover, reason) {
	if !has(f, m.Field) {
		return none, byNothing
	}
	switch m.Field {
	case firewall.IPSaddr, firewall.IP6Saddr, firewall.IPDaddr, firewall.IP6Daddr:
		return f.addresses(m.Field, addressValues(m.Values))
	case firewall.TCPSport, firewall.UDPSport, firewall.TransportSport:
		return ports(f.sport, m.Values)
	case firewall.TCPDport, firewall.UDPDport, firewall.TransportDport:
		return ports(f.dport, m.Values)
	case firewall.MetaNFProto:
		return number(f.family, m.Values), byNothing
	case firewall.MetaL4Proto:
		return number(f.protocol, m.Values), byNothing
	case firewall.MetaPktType:
		return number(0, m.Values), byNothing // to this host, or from it
	case firewall.CTDirection:
		return p.direction(f, m)
	case firewall.CTState:
		return p.state(f, m), byNothing
	case firewall.TCPFlags:
		return tcpFlags(f, m)
	case firewall.MetaIIFName, firewall.MetaIIF:
		return p.interfaces(f, inboundHooks(), f.in, m)
	case firewall.MetaOIFName, firewall.MetaOIF:
		return p.interfaces(f, outboundHooks(), f.out, m)
	default:
		return part, byUnknown
	}
}

// addresses compares the other side's addresses, or the host's own.
func (f *flow) addresses(field firewall.Field, want []firewall.Addrs) (cover, reason) {
	source := field == firewall.IPSaddr || field == firewall.IP6Saddr
	have, other := f.dest, !f.inbound()
	if source {
		have, other = f.source, f.inbound()
	}
	why := byUnknown
	if other {
		why = bySource
	}
	if have == nil {
		have = everywhere(f.family)
	}
	return coverAddrs(have, want), why
}

// everywhere is every address of a family.
func everywhere(family firewall.Number) []firewall.Addrs {
	if family == firewall.NFProtoIPv4 {
		return []firewall.Addrs{firewall.PrefixAddrs(netip.PrefixFrom(netip.IPv4Unspecified(), 0))}
	}
	return []firewall.Addrs{firewall.PrefixAddrs(netip.PrefixFrom(netip.IPv6Unspecified(), 0))}
}

func (f *flow) inbound() bool { return f.hooks[0] == "ingress" }

func ports(have []firewall.Range, values []firewall.Value) (cover, reason) {
	if have == nil {
		have = []firewall.Range{{First: 1, Last: lastPort}}
	}
	return coverNumbers(have, numberValues(values)), byPort
}

func number(have firewall.Number, values []firewall.Value) cover {
	return coverNumbers([]firewall.Range{{First: uint32(have), Last: uint32(have)}}, numberValues(values))
}

func (p place) direction(f *flow, m firewall.Match) (cover, reason) {
	if p.untracked() {
		return none, byNothing
	}
	return number(f.direction, m.Values), byNothing
}

// state compares bits: a match of states is one of any of them.
func (p place) state(f *flow, m firewall.Match) cover {
	have := f.state
	if p.untracked() {
		have = firewall.StateInvalid // nft_ct_get_eval, where a packet has no connection
	}
	for _, v := range m.Values {
		if bits, ok := v.(firewall.Number); ok && bits&have != 0 {
			return all
		}
	}
	return none
}

func tcpFlags(f *flow, m firewall.Match) (cover, reason) {
	want, ok := m.Values[0].(firewall.Number)
	if f.flags == nil || !ok || len(m.Values) != 1 {
		return part, byUnknown
	}
	if *f.flags&m.Mask == want {
		return all, byNothing
	}
	return none, byNothing
}

// interfaces compares the interface: in the chains of the other direction there is none.
func (p place) interfaces(f *flow, hooks, have []string, m firewall.Match) (cover, reason) {
	if f.hooks[0] != hooks[0] {
		return none, byNothing
	}
	want := nameValues(m.Values)
	for _, v := range m.Values {
		if index, ok := v.(firewall.Number); ok {
			want = append(want, p.links[uint32(index)])
		}
	}
	if len(have) == 0 {
		return part, byInterface
	}
	return coverNames(have, want), byInterface
}

// lookup compares fields with a named set.
func (p place) lookup(f *flow, l firewall.Lookup) (cover, reason) {
	if slices.ContainsFunc(l.Fields, func(field firewall.Field) bool { return !has(f, field) }) {
		return none, byNothing
	}
	set := p.sets[l.Set]
	if set == nil || set.Foreign != "" || len(set.Key) != len(l.Fields) {
		return part, byList
	}
	c, why := p.elements(f, l.Fields, set)
	if l.Not && c != part {
		return c.not(), why
	}
	return c, why
}

func (p place) elements(f *flow, fields []firewall.Field, set *firewall.Set) (cover, reason) {
	if len(fields) == 1 {
		m := firewall.Match{Field: fields[0]}
		for _, e := range set.Elements {
			m.Values = append(m.Values, e.Key...)
		}
		return p.field(f, m)
	}
	best, why := none, byNothing
	for _, e := range set.Elements {
		c, w := all, byNothing
		for i, field := range fields {
			one, narrows := p.field(f, firewall.Match{Field: field, Values: e.Key[i : i+1]})
			c = min(c, one)
			if one == part {
				w |= narrows
			}
		}
		if best, why = max(best, c), why|w; best == all {
			return all, byNothing
		}
	}
	return best, why
}
