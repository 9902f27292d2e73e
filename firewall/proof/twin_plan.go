package proof

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

// Bounds of a twin.
const (
	maxTwinPackets  = 8192
	maxTwinSources  = 128 // of all exceptions and strangers together
	maxTwinPorts    = 256
	maxTwinPrefixes = 4  // of each family of an exception: the first, the last and some between
	twinStrangers   = 2  // of each family
	maxNeighbours   = 64 // that are looked at for one whom the policy does not name
)

// twinQuestion is a packet, and what the policy says of it.
type twinQuestion struct {
	packet     TwinPacket
	admitted   bool
	management bool // as one of management
	forwards   bool // the policy leaves it to others what is passed on
}

// right says whether the policy wants that fate.
func (q twinQuestion) right(fate Fate) bool {
	switch fate {
	case FateIn:
		return q.admitted
	case FatePassedOn:
		return q.forwards
	default:
		return !q.admitted
	}
}

// twinPlan is what is to be asked of a twin.
type twinPlan struct {
	asked   []twinQuestion
	omitted int
	untried []string
}

// twinPort is a port of one protocol, and an address on which something listens there, if on one only.
type twinPort struct {
	protocol firewall.Protocol
	port     uint16
	at       netip.Addr
}

// planTwin asks the host by which interface each source comes in: by the one to which the route back leads. From
// elsewhere the ruleset lets nobody in whom it has not dropped before as spoofed.
func planTwin(ctx context.Context, h twinHost, p firewall.Policy, listeners []sockets.Listener) (twinPlan, error) {
	plan := twinPlan{untried: h.untried}
	sources := twinSources(h, p)
	routes, err := sockets.Routes(ctx, sources)
	if err != nil {
		return twinPlan{}, err
	}
	ports := twinPorts(h, p, listeners)
	for _, from := range sources {
		by := routes[from]
		to := slices.Concat(h.addresses(by, family(from)), h.addresses("", family(from)))
		switch {
		case by == "" || by == "lo":
			plan.untried = append(plan.untried, fmt.Sprintf("%s: no route of the host leads there", from))
			continue
		case len(to) == 0:
			plan.untried = append(plan.untried, fmt.Sprintf("%s: the host has no address of that family", from))
			continue
		}
		for _, port := range ports {
			at := to[0]
			if port.at.IsValid() && slices.Contains(to, port.at) {
				at = port.at
			}
			plan.ask(p, TwinPacket{By: by, From: from, To: at, Protocol: port.protocol, Port: port.port})
		}
	}
	return plan, nil
}

func (plan *twinPlan) ask(p firewall.Policy, packet TwinPacket) {
	if len(plan.asked) == maxTwinPackets {
		plan.omitted++
		return
	}
	management := firewall.Policy{Management: p.Management}
	plan.asked = append(plan.asked, twinQuestion{
		packet: packet, forwards: p.Forward != firewall.ForwardDrop,
		admitted:   p.AdmitsBy(packet.By, packet.From, packet.Protocol, packet.Port),
		management: management.AdmitsBy(packet.By, packet.From, packet.Protocol, packet.Port),
	})
}

// twinSources are strangers of each family, the edges of some of each exception's prefixes, and whom others' sets name.
func twinSources(h twinHost, p firewall.Policy) []netip.Addr {
	all := slices.Concat(p.Management, p.Allow)
	var list []netip.Addr
	add := func(a netip.Addr) {
		own := slices.Concat(h.addresses("", ipv4), h.addresses("", ipv6))
		if usable(a) && !a.IsLinkLocalUnicast() && !slices.Contains(own, a) && !slices.Contains(list, a) &&
			len(list) < maxTwinSources {
			list = append(list, a)
		}
	}
	for _, kind := range []uint8{ipv4, ipv6} {
		strangers := addresses()[kind]
		slices.SortStableFunc(strangers, func(a, b netip.Addr) int {
			return cmp.Compare(mentions(all, a), mentions(all, b))
		})
		for _, a := range strangers[:min(len(strangers), twinStrangers)] {
			add(a)
		}
	}
	for _, i := range h.interfaces {
		for _, p := range i.nets[:min(len(i.nets), maxTwinPrefixes)] {
			add(neighbour(p, all, h))
		}
	}
	for _, e := range all {
		for _, kind := range []uint8{ipv4, ipv6} {
			of := slices.DeleteFunc(slices.Clone(e.From), func(p netip.Prefix) bool { return family(p.Addr()) != kind })
			for _, prefix := range some(of, maxTwinPrefixes) {
				first, last := edges(prefix)
				for _, a := range usableFrom(first, last, prefix) {
					add(a)
				}
			}
		}
	}
	for _, a := range h.tables.Addresses() {
		add(a)
	}
	return list
}

// neighbour is somebody in a network of the host whom the policy names least: a host without a way further is met by
// nobody else.
func neighbour(p netip.Prefix, all []firewall.Exception, h twinHost) netip.Addr {
	own := slices.Concat(h.addresses("", ipv4), h.addresses("", ipv6))
	_, a := edges(p)
	var best netip.Addr
	for range maxNeighbours {
		a = a.Prev()
		if !a.IsValid() || !p.Contains(a) {
			break
		}
		if !slices.Contains(own, a) && (!best.IsValid() || mentions(all, a) < mentions(all, best)) {
			best = a
		}
	}
	return best
}

// twinPorts are those on which something listens, that the policy names, that rules speak of, and one that is none of
// these.
func twinPorts(h twinHost, p firewall.Policy, listeners []sockets.Listener) []twinPort {
	var list []twinPort
	add := func(protocol firewall.Protocol, port uint16, at netip.Addr) {
		if !slices.Contains(list, twinPort{protocol, port, at}) && port != 0 && len(list) < maxTwinPorts {
			list = append(list, twinPort{protocol, port, at})
		}
	}
	for _, l := range listeners {
		protocol, ok := protocolOf(l.Transport)
		if !ok || l.Loopback() {
			continue
		}
		at := l.Address
		if at.IsUnspecified() {
			at = netip.Addr{}
		}
		add(protocol, l.Port, at)
	}
	all := slices.Concat(p.Management, p.Allow)
	for _, e := range all {
		for _, r := range e.Ports {
			add(r.Protocol, r.First, netip.Addr{})
			add(r.Protocol, r.Last, netip.Addr{})
		}
	}
	if port := unnamedPort(all); port != 0 {
		add(firewall.TCP, port, netip.Addr{})
		add(firewall.UDP, port, netip.Addr{})
	}
	for _, port := range h.tables.Ports() {
		add(firewall.TCP, port, netip.Addr{})
		add(firewall.UDP, port, netip.Addr{})
	}
	return list
}

func packetsOf(asked []twinQuestion) []TwinPacket {
	packets := make([]TwinPacket, 0, len(asked))
	for _, q := range asked {
		packets = append(packets, q.packet)
	}
	return packets
}

// extent is how many sources and ports there are in what is asked.
func extent(asked []twinQuestion) (sources, ports int) {
	from, to := make(map[netip.Addr]bool), make(map[twinPort]bool)
	for _, q := range asked {
		from[q.packet.From] = true
		to[twinPort{protocol: q.packet.Protocol, port: q.packet.Port}] = true
	}
	return len(from), len(to)
}
