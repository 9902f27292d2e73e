package proof

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

// Scope is how far away those are who reach a listener.
type Scope string

// The scopes, from near to far.
const (
	ScopeInside   Scope = "inside"   // this host itself
	ScopeShut     Scope = "nobody"   // the policy names nobody, so that the ruleset shuts it
	ScopeSome     Scope = "some"     // the sources that the policy names
	ScopeAnyone   Scope = "anyone"   // the policy says any
	ScopeUnjudged Scope = "unjudged" // no rule is asked: it takes frames before any ruleset, or there is no ruleset
)

// Way is one exception by which a listener is reached, and from where.
type Way struct {
	// Exception is the name of the policy's exception; what every ruleset lets in has none, and a Note.
	Exception  string         `json:"exception,omitempty"`
	Any        bool           `json:"any,omitempty"`
	From       []netip.Prefix `json:"from,omitempty"` // of a family that the listener takes
	Interfaces []string       `json:"interfaces,omitempty"`
	Note       string         `json:"note,omitempty"`
}

// Reached is a listener with who can reach it.
type Reached struct {
	Listener sockets.Listener
	Scope    Scope
	Ways     []Way // in the order of the policy; none for a scope that needs none
}

// Reach tells for each listener who can reach it while the ruleset of the policy is in force: that of no policy, where it
// is nil. The listener's address, family, interface and protocol count, and the exceptions' interfaces: what can never
// meet is no way.
func Reach(listeners []sockets.Listener, policy *firewall.Policy) []Reached {
	all := make([]Reached, 0, len(listeners))
	for _, l := range listeners {
		r := Reached{Listener: l}
		switch {
		case l.Loopback():
			r.Scope = ScopeInside
		case l.Transport == sockets.Packet, policy == nil:
			r.Scope = ScopeUnjudged
		default:
			r.Ways = ways(l, *policy)
			r.Scope = scopeOf(r.Ways)
		}
		all = append(all, r)
	}
	return all
}

func scopeOf(ways []Way) Scope {
	switch {
	case len(ways) == 0:
		return ScopeShut
	case slices.ContainsFunc(ways, func(w Way) bool { return w.Any }):
		return ScopeAnyone
	default:
		return ScopeSome
	}
}

// ways are the exceptions that a packet to the listener may come in by.
func ways(l sockets.Listener, p firewall.Policy) []Way {
	list := unasked(l, p)
	protocol, ok := protocolOf(l.Transport)
	if !ok {
		return list
	}
	for _, e := range slices.Concat(p.Management, p.Allow) {
		anybody := firewall.Exception{Ports: e.Ports, Any: true, Interfaces: e.Interfaces}
		meets := firewall.Policy{Allow: []firewall.Exception{anybody}}
		if !meets.AdmitsBy(l.Interface, netip.Addr{}, protocol, l.Port) {
			continue
		}
		w := Way{Exception: e.Name, Any: e.Any, Interfaces: e.Interfaces}
		for _, from := range e.From {
			if takes(l, from.Addr()) {
				w.From = append(w.From, from)
			}
		}
		if w.Any || len(w.From) > 0 {
			list = append(list, w)
		}
	}
	return list
}

// unasked is what every ruleset lets in, whatever the exceptions are (firewall.Compile).
func unasked(l sockets.Listener, p firewall.Policy) []Way {
	const icmp, icmpv6 = 1, 58
	const dhcpClient, dhcpv6Client = 68, 546 // RFC 2131 section 4.1, RFC 8415 section 7.2
	udp, raw := l.Transport == sockets.UDP, l.Transport == sockets.Raw
	switch {
	case udp && l.Port == dhcpClient && takes(l, netip.IPv4Unspecified()):
		return []Way{{Note: "answers of DHCP servers, from port 67"}}
	case udp && l.Port == dhcpv6Client && takes(l, netip.IPv6Unspecified()):
		return []Way{{Note: "answers of DHCPv6 servers on the link"}}
	case raw && (l.Port == icmp || l.Port == icmpv6) && p.Ping:
		return []Way{{Note: "ICMP errors and pings"}}
	case raw && (l.Port == icmp || l.Port == icmpv6):
		return []Way{{Note: "ICMP errors"}}
	default:
		return nil
	}
}

// takes says whether packets of the family of an address come to the listener.
func takes(l sockets.Listener, a netip.Addr) bool {
	if a.Is4() {
		return l.Address.Is4() || l.Address == netip.IPv6Unspecified() && !l.V6Only
	}
	return l.Address.Is6()
}

// protocolOf is the transport as the policy knows it; false for one that no exception can name.
func protocolOf(t sockets.Transport) (firewall.Protocol, bool) {
	switch t {
	case sockets.TCP:
		return firewall.TCP, true
	case sockets.UDP:
		return firewall.UDP, true
	default:
		return 0, false
	}
}

// Unused is the ports of the policy's exceptions on which nothing listens that others could reach, each with the name of
// its exception, as in "8443/tcp (web)".
func Unused(listeners []sockets.Listener, policy firewall.Policy) []string {
	var list []string
	for _, e := range slices.Concat(policy.Management, policy.Allow) {
		for _, ports := range e.Ports {
			listened := slices.ContainsFunc(listeners, func(l sockets.Listener) bool {
				protocol, ok := protocolOf(l.Transport)
				return ok && protocol == ports.Protocol && ports.First <= l.Port && l.Port <= ports.Last && !l.Loopback()
			})
			if !listened {
				list = append(list, fmt.Sprintf("%s (%s)", portsText(ports), e.Name))
			}
		}
	}
	return list
}

// portsText is ports as the configuration has them: 22/tcp, 8000-8010/udp.
func portsText(p firewall.Ports) string {
	name := "tcp"
	if p.Protocol == firewall.UDP {
		name = "udp"
	}
	if p.First == p.Last {
		return fmt.Sprintf("%d/%s", p.First, name)
	}
	return fmt.Sprintf("%d-%d/%s", p.First, p.Last, name)
}

// fewSources is how many sources a line names.
const fewSources = 4

// Who is who can reach the listener, in words.
func (r Reached) Who() string {
	switch r.Scope {
	case ScopeInside:
		return "this host only"
	case ScopeShut:
		return "nobody"
	case ScopeUnjudged:
		if r.Listener.Transport == sockets.Packet {
			return "every frame, before any rule"
		}
		return "anyone, as far as this policy goes"
	}
	words := make([]string, 0, len(r.Ways))
	for _, w := range r.Ways {
		words = append(words, w.String())
	}
	return strings.Join(words, "; ")
}

// String is the way in words: ssh-admins: 10.20.0.0/24, 2001:db8::/64, by eth0.
func (w Way) String() string {
	if w.Note != "" {
		return w.Note
	}
	var sources []string
	for _, from := range w.From[:min(len(w.From), fewSources)] {
		sources = append(sources, sourceText(from))
	}
	if more := len(w.From) - fewSources; more > 0 {
		sources = append(sources, fmt.Sprintf("%d more", more))
	}
	if w.Any {
		sources = []string{"anyone"}
	}
	text := w.Exception + ": " + strings.Join(sources, ", ")
	if len(w.Interfaces) > 0 {
		text += ", by " + strings.Join(w.Interfaces, ", ")
	}
	return text
}

// sourceText is a prefix, and a single address without its length.
func sourceText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
