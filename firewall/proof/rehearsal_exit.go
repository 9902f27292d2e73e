package proof

import (
	"net/netip"
	"slices"

	"sallyport/firewall"
)

// exit is what the host begins itself, and what the policy says about it.
type exit struct {
	To       netip.AddrPort
	Protocol firewall.Protocol
	Out      bool // it gets out, and its answer in
}

// exits are one of each family and protocol that gets out, and one that does not where the policy enforces who may be
// spoken to. Where that is by name or by user alone, none is known that gets out.
func exits(p firewall.Policy, out plan) []exit {
	var list []exit
	for _, kind := range []uint8{ipv4, ipv6} {
		for _, far := range []exit{
			{To: netip.AddrPortFrom(out.Far[kind], 443), Protocol: firewall.TCP, Out: true},
			{To: netip.AddrPortFrom(out.Far[kind], 53), Protocol: firewall.UDP, Out: true},
		} {
			if p.Egress.Mode != firewall.EgressEnforce {
				list = append(list, far)
				continue
			}
			if named, ok := namedExit(p.Egress.To, out, kind, far.Protocol); ok {
				list = append(list, named)
			}
			if far.Out = false; !leadsTo(p.Egress.To, far) {
				list = append(list, far)
			}
		}
	}
	return list
}

// namedExit is where everybody may go.
func namedExit(to []firewall.Destination, out plan, kind uint8, protocol firewall.Protocol) (exit, bool) {
	for _, d := range to {
		port := slices.IndexFunc(d.Ports, func(r firewall.Ports) bool { return r.Protocol == protocol })
		if len(d.Users) > 0 || port < 0 {
			continue
		}
		e := exit{Protocol: protocol, Out: true}
		if d.Any {
			e.To = netip.AddrPortFrom(out.Far[kind], d.Ports[port].First)
			return e, true
		}
		for _, prefix := range d.To {
			first, last := edges(prefix)
			from := usableFrom(first, last, prefix)
			if family(first) == kind && len(from) > 0 && from[0] != out.Host[kind] && !from[0].IsLinkLocalUnicast() {
				e.To = netip.AddrPortFrom(from[0], d.Ports[port].First)
				return e, true
			}
		}
	}
	return exit{}, false
}

// leadsTo says whether any destination has it, whoever may go there.
func leadsTo(to []firewall.Destination, e exit) bool {
	return slices.ContainsFunc(to, func(d firewall.Destination) bool {
		covers := d.Any || slices.ContainsFunc(d.To, func(p netip.Prefix) bool { return p.Contains(e.To.Addr()) })
		return covers && slices.ContainsFunc(d.Ports, func(r firewall.Ports) bool {
			return r.Protocol == e.Protocol && r.First <= e.To.Port() && e.To.Port() <= r.Last
		})
	})
}
