package firewall

import (
	"net/netip"
	"slices"
)

// packet is what the pure judge below knows of a packet: the first one of a connection, to this host or from it, by an
// interface that is not loopback and has a route back.
type packet struct {
	hook     string
	v6       bool
	from     netip.Addr
	protocol Protocol
	port     uint16
	icmp     Number     // echo request, where it is not 0; then there is no port
	to       netip.Addr // of one that this host sends
	uid      *uint32    // of its socket's owner
}

// judge says whether a ruleset accepts a packet, as the kernel would: base chains of the hook in the order of their
// priorities, each of which must accept. On trial, the set TrialSet holds both families.
func judge(r Ruleset, p packet, onTrial bool) bool {
	j := judger{r: r, p: p, onTrial: onTrial}
	for _, c := range r.Chains {
		if c.Hook == nil || c.Hook.Name != p.hook {
			continue
		}
		if kind, ok := j.chain(c); ok && kind == Drop || !ok && c.Hook.Drop {
			return false
		}
	}
	return true
}

type judger struct {
	r       Ruleset
	p       packet
	onTrial bool
}

// chain is the verdict of a chain; false where none was met.
func (j judger) chain(c Chain) (VerdictKind, bool) {
	for _, rule := range c.Rules {
		for _, s := range rule.Statements {
			v, ok := s.(Verdict)
			if _, rejects := s.(Reject); rejects {
				v, ok = Verdict{Kind: Drop}, true
			}
			if !ok {
				if j.matches(s) {
					continue
				}
				break
			}
			switch v.Kind {
			case Accept, Drop:
				return v.Kind, true
			case Return:
				return 0, false
			case Jump:
				if kind, ended := j.chain(j.named(v.Chain)); ended {
					return kind, true
				}
			case Goto:
				return j.chain(j.named(v.Chain))
			}
		}
	}
	return 0, false
}

func (j judger) named(name string) Chain {
	i := slices.IndexFunc(j.r.Chains, func(c Chain) bool { return c.Name == name && c.Hook == nil })
	return j.r.Chains[i] // a chain that is not there is a fault that shall be seen
}

func (j judger) matches(s Statement) bool {
	switch s := s.(type) {
	case Match:
		value, has := j.field(s.Field)
		return has && s.Not != slices.ContainsFunc(s.Values, func(v Value) bool { return holds(s.Field, v, value) })
	case Lookup:
		if s.Set == TrialSet {
			return j.onTrial
		}
		set, _ := setNamed(j.r, s.Set)
		value, has := j.field(s.Fields[0])
		return has && s.Not != slices.ContainsFunc(set.Elements, func(e Element) bool {
			return holds(s.Fields[0], e.Key[0], value)
		})
	case FIBMissing:
		return false
	}
	return true
}

// field is a field of the packet; false where it has none such.
func (j judger) field(f Field) (any, bool) {
	p := j.p
	family, l4, request, packetType := NFProtoIPv4, Number(p.protocol), ICMPType, Number(0)
	if p.v6 {
		family, request = NFProtoIPv6, ICMPv6Type
	}
	if p.icmp != 0 {
		l4 = map[bool]Number{false: 1, true: 58}[p.v6]
	}
	switch f {
	case MetaNFProto:
		return family, true
	case MetaL4Proto:
		return l4, true
	case MetaPktType:
		return packetType, true
	case CTState:
		return StateNew, true
	case CTDirection:
		return Number(0), true
	case MetaIIF, MetaOIF:
		return Number(2), true
	case MetaSKUID:
		if p.uid == nil {
			return nil, false
		}
		return Number(*p.uid), true
	case TCPFlags:
		return FlagSYN, p.icmp == 0 && p.protocol == TCP
	case IPSaddr:
		return p.from, !p.v6
	case IP6Saddr:
		return p.from, p.v6
	case IPDaddr, IP6Daddr:
		if p.to.IsValid() {
			return p.to, p.v6 == (f == IP6Daddr)
		}
	}
	switch f {
	case IPDaddr:
		return netip.MustParseAddr("10.0.0.99"), !p.v6
	case IP6Daddr:
		return netip.MustParseAddr("2001:db8::99"), p.v6
	case IP6HopLimit:
		return Number(64), p.v6
	case TCPDport, UDPDport:
		return Number(p.port), p.icmp == 0 && (f == TCPDport) == (p.protocol == TCP)
	case TCPSport, UDPSport:
		return Number(40000), p.icmp == 0 && (f == TCPSport) == (p.protocol == TCP)
	case ICMPType, ICMPv6Type:
		return p.icmp, p.icmp != 0 && f == request
	}
	return nil, false
}

func holds(f Field, v Value, got any) bool {
	switch v := v.(type) {
	case Number:
		n, _ := got.(Number)
		if f == CTState {
			return n&v != 0
		}
		return n == v
	case Range:
		n, _ := got.(Number)
		return v.First <= uint32(n) && uint32(n) <= v.Last
	case Addrs:
		a, _ := got.(netip.Addr)
		return v.From.Compare(a) <= 0 && a.Compare(v.To) <= 0
	}
	return false
}
