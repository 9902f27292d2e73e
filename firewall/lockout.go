package firewall

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

const (
	// portSSH is where management is when nobody says otherwise (RFC 4250 section 4.3).
	portSSH = 22
	// firstEphemeral is the first port that Linux gives to connections that go out (ip_local_port_range, as it is by
	// default).
	firstEphemeral = 32768
)

// Peer is one end of an established TCP connection of this host with another.
type Peer struct {
	Local, Remote netip.AddrPort // an IPv4 address is in IPv4 form

	Interface string // by which its packets come in; empty: not known

	// Listened says that something listens on the local port now, as behind a connection that came in.
	Listened bool
}

// inbound says whether the connection came in. A daemon that was stopped leaves its sessions without a listener, so a
// port that the kernel gives to no connection going out counts without one.
func (p Peer) inbound() bool { return p.Listened || p.Local.Port() < firstEphemeral }

// LockedOut is those of the peers, each once for an address and a port, that are connected to a management port now and
// that next does not let in any more, in ascending order. Management ports are the TCP ports of next's management
// exceptions, of those of the policy in force, where that is known (nil where not), further ones that the caller knows
// of, and 22, so that a policy that moves management away from where the administrators are now is told too. Whom the
// policy in force shuts out already is no loss, and the host is never shut out by itself.
func LockedOut(next Policy, inForce *Policy, further []Ports, peers []Peer) []Peer {
	ports := append(managementPorts(next), Ports{Protocol: TCP, First: portSSH, Last: portSSH})
	ports = append(ports, further...)
	if inForce != nil {
		ports = append(ports, managementPorts(*inForce)...)
	}
	var out []Peer
	for _, p := range peers {
		from, port := p.Remote.Addr().Unmap(), p.Local.Port()
		switch {
		case from.IsLoopback(), !p.inbound(), !among(ports, TCP, port), next.AdmitsBy(p.Interface, from, TCP, port):
		case inForce != nil && !inForce.AdmitsBy(p.Interface, from, TCP, port):
		default:
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b Peer) int {
		return cmp.Or(a.Remote.Addr().Compare(b.Remote.Addr()), cmp.Compare(a.Local.Port(), b.Local.Port()))
	})
	return slices.CompactFunc(out, func(a, b Peer) bool {
		return a.Remote.Addr() == b.Remote.Addr() && a.Local.Port() == b.Local.Port()
	})
}

func managementPorts(p Policy) []Ports {
	var ports []Ports
	for _, e := range p.Management {
		ports = append(ports, e.Ports...)
	}
	return ports
}

// LivePorts is the TCP ports of the ways in that a live ruleset has and that may be of management, for LockedOut. A
// ruleset does not say which are: all may be, but those whose name next gives to an exception that is none.
func LivePorts(live Ruleset, next Policy) []Ports {
	var ports []Ports
	for _, c := range live.Chains {
		name, ok := strings.CutPrefix(strings.TrimPrefix(c.Name, trialPrefix), wayPrefix)
		other := slices.ContainsFunc(next.Allow, func(e Exception) bool { return e.Name == name })
		if !ok || other {
			continue
		}
		for _, r := range c.Rules {
			ports = append(ports, tcpPorts(r)...)
		}
	}
	return ports
}

// tcpPorts is what the rule asks of the TCP destination port.
func tcpPorts(r Rule) []Ports {
	var ports []Ports
	for _, s := range r.Statements {
		m, ok := s.(Match)
		if !ok || m.Field != TCPDport || m.Not {
			continue
		}
		for _, v := range m.Values {
			switch v := v.(type) {
			case Number:
				ports = append(ports, Ports{Protocol: TCP, First: uint16(v), Last: uint16(v)})
			case Range:
				ports = append(ports, Ports{Protocol: TCP, First: uint16(v.First), Last: uint16(v.Last)})
			}
		}
	}
	return ports
}
