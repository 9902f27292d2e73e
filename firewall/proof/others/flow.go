package others

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// flow is packets that must get through: all those that the fields admit. A field that is nil may be anything.
type flow struct {
	of   string // of whom they are, for a person
	kind flowKind
	any  bool // from everywhere

	hooks     []string // where they pass, in the words of nft
	family    firewall.Number
	protocol  firewall.Number
	source    []firewall.Addrs // ascending, apart
	dest      []firewall.Addrs
	sport     []firewall.Range
	dport     []firewall.Range
	in, out   []string // names of interfaces
	local     bool     // the destination is this host
	state     firewall.Number
	direction firewall.Number
	flags     *firewall.Number // of TCP
	phase     string           // for a person: which packets of the connection
}

type flowKind uint8

const (
	ofManagement flowKind = iota
	ofAllow
	ofEgress
	ofOwn // of the host's own connections, whichever they are
)

// maxFlows bounds the flows that are followed through the chains of others.
const maxFlows = 2048

// Ports that connections come from: those that need no right (ip_unprivileged_port_start), and those that Linux gives by
// itself (ip_local_port_range).
const firstUnprivileged, firstEphemeral, lastPort = 1024, 32768, 65535

func clientPorts() []firewall.Range {
	return []firewall.Range{{First: firstUnprivileged, Last: lastPort}}
}

func inboundHooks() []string  { return []string{"ingress", "prerouting", "input"} }
func outboundHooks() []string { return []string{"output", "postrouting", "egress"} }

// flowsOf are the packets that the policy wants through, management first.
func flowsOf(c census.Census, p firewall.Policy) []flow {
	var all []flow
	for _, e := range p.Management {
		all = append(all, exceptionFlows(c, e, ofManagement)...)
	}
	for _, e := range p.Allow {
		all = append(all, exceptionFlows(c, e, ofAllow)...)
	}
	if p.Egress.Mode != firewall.EgressOpen {
		for _, d := range p.Egress.To {
			all = append(all, destinationFlows(d)...)
		}
	}
	return all
}

// sides are the addresses of the other side of one family.
type sides struct {
	family firewall.Number
	addrs  []firewall.Addrs // nil: all
}

func families(prefixes []netip.Prefix, everywhere bool) []sides {
	if everywhere {
		return []sides{{family: firewall.NFProtoIPv4}, {family: firewall.NFProtoIPv6}}
	}
	var v4, v6 []firewall.Addrs
	for _, p := range prefixes {
		if p.Addr().Is4() {
			v4 = append(v4, firewall.PrefixAddrs(p))
		} else {
			v6 = append(v6, firewall.PrefixAddrs(p))
		}
	}
	var list []sides
	if len(v4) > 0 {
		list = append(list, sides{firewall.NFProtoIPv4, apart(v4)})
	}
	if len(v6) > 0 {
		list = append(list, sides{firewall.NFProtoIPv6, apart(v6)})
	}
	return list
}

// exceptionFlows are the packets of one way in: the first of a connection, further ones, and the answers.
func exceptionFlows(c census.Census, e firewall.Exception, kind flowKind) []flow {
	var all []flow
	for _, from := range families(e.From, e.Any) {
		own := ownAddrs(c, from.family)
		for _, ports := range e.Ports {
			port := []firewall.Range{{First: uint32(ports.First), Last: uint32(ports.Last)}}
			base := flow{
				of: fmt.Sprintf("%s (%s)", e.Name, portsText(ports)), kind: kind, any: e.Any,
				family: from.family, protocol: firewall.Number(ports.Protocol),
			}
			in := base
			in.hooks, in.source, in.dest, in.sport, in.dport = inboundHooks(), from.addrs, own, clientPorts(), port
			in.in, in.local = interfacesOf(c, e.Interfaces), true
			all = append(all, in.new(), in.established())
			out := base
			out.hooks, out.source, out.dest, out.sport, out.dport = outboundHooks(), own, from.addrs, port, clientPorts()
			out.out = interfacesOf(c, e.Interfaces)
			all = append(all, out.reply())
		}
	}
	return all
}

// destinationFlows are the packets of one way out. Those to names go to addresses that are not known here.
func destinationFlows(d firewall.Destination) []flow {
	var all []flow
	for _, to := range families(d.To, d.Any || len(d.Names) > 0) {
		for _, ports := range d.Ports {
			port := []firewall.Range{{First: uint32(ports.First), Last: uint32(ports.Last)}}
			base := flow{
				of: fmt.Sprintf("%s (%s)", d.Name, portsText(ports)), kind: ofEgress, any: to.addrs == nil,
				family: to.family, protocol: firewall.Number(ports.Protocol),
			}
			out := base
			out.hooks, out.dest, out.sport, out.dport = outboundHooks(), to.addrs, clientPorts(), port
			all = append(all, out.new(), out.established())
			in := base
			in.hooks, in.source, in.sport, in.dport, in.local = inboundHooks(), to.addrs, port, clientPorts(), true
			all = append(all, in.reply())
		}
	}
	return all
}

// ownFlows are the packets of whatever the host begins: out, and the answers.
func ownFlows(c census.Census) []flow {
	var all []flow
	for _, family := range []firewall.Number{firewall.NFProtoIPv4, firewall.NFProtoIPv6} {
		for _, protocol := range []firewall.Protocol{firewall.TCP, firewall.UDP} {
			ephemeral := []firewall.Range{{First: firstEphemeral, Last: lastPort}}
			base := flow{of: "the host's own connections", kind: ofOwn, any: true, family: family,
				protocol: firewall.Number(protocol)}
			out := base
			out.hooks, out.source, out.sport = outboundHooks(), ownAddrs(c, family), ephemeral
			out.out = interfacesOf(c, nil)
			in := base
			in.hooks, in.dest, in.dport, in.local = inboundHooks(), ownAddrs(c, family), ephemeral, true
			in.in = interfacesOf(c, nil)
			all = append(all, out.new(), in.reply())
		}
	}
	return all
}

func (f flow) new() flow {
	f.state, f.phase = firewall.StateNew, "new connections"
	if f.protocol == firewall.Number(firewall.TCP) {
		syn := firewall.FlagSYN
		f.flags = &syn
	}
	return f
}

func (f flow) established() flow {
	f.state, f.phase = firewall.StateEstablished, "packets of connections that are there"
	return f
}

func (f flow) reply() flow {
	f.state, f.direction, f.phase = firewall.StateEstablished, 1, "answers"
	return f
}

func portsText(p firewall.Ports) string {
	text := fmt.Sprint(p.First)
	if p.Last > p.First {
		text = fmt.Sprintf("%d-%d", p.First, p.Last)
	}
	return text + "/" + protocolText(p.Protocol)
}

func protocolText(p firewall.Protocol) string {
	switch p {
	case firewall.TCP:
		return "tcp"
	case firewall.UDP:
		return "udp"
	default:
		return fmt.Sprint(uint8(p))
	}
}

// ownAddrs are the host's addresses of a family, without loopback ones: to those nothing comes from outside.
func ownAddrs(c census.Census, family firewall.Number) []firewall.Addrs {
	var list []firewall.Addrs
	for _, a := range c.Addresses {
		if a = a.WithZone(""); a.Is4() == (family == firewall.NFProtoIPv4) && !a.IsLoopback() {
			list = append(list, firewall.Addrs{From: a, To: a})
		}
	}
	return apart(list)
}

// interfacesOf are the names of the interfaces that packets may come in by: those of the patterns, else all that there
// are but loopback. Nil where that is not known.
func interfacesOf(c census.Census, patterns []string) []string {
	var names []string
	for index, name := range c.Links {
		if firewall.Number(index) != firewall.LoopbackIndex && (len(patterns) == 0 ||
			slices.ContainsFunc(patterns, func(p string) bool { return namePattern(p, name) })) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// namePattern says whether a name is of a pattern as iifname has them: a trailing * stands for any rest.
func namePattern(pattern, name string) bool {
	stem, wild := strings.CutSuffix(pattern, "*")
	return pattern == name || wild && strings.HasPrefix(name, stem)
}
