package verdict

import (
	"net/netip"
	"slices"
)

// Facts is what is known of the host's own network. The zero value knows nothing, and no rule that needs it applies.
type Facts struct {
	Known      bool
	Interfaces []Interface    // other than the loopback
	Networks   []netip.Prefix // that are on a link of this host: reached without a gateway
	Default    bool           // there is a default route, by a gateway or without one
	Gateways   []Gateway      // of the default routes
}

// Interface is a network interface.
type Interface struct {
	Name      string
	Up        bool // switched on
	Running   bool // and it has a carrier (IFF_RUNNING)
	Addresses int  // those of the link itself (fe80::/10) left out
}

// Gateway is one that a default route leads to.
type Gateway struct {
	Address   netip.Addr
	Interface string
	State     Neighbour
}

// Neighbour is whether somebody on the link answers for an address.
type Neighbour uint8

const (
	NeighbourUnknown Neighbour = iota // not asked lately, or it cannot be told
	NeighbourAnswers                  // its link-layer address is known
	NeighbourSilent                   // it was asked for, and nobody answered
)

// linked says whether some interface could send.
func (f Facts) linked() bool {
	return slices.ContainsFunc(f.Interfaces, func(i Interface) bool { return i.Up && i.Running && i.Addresses > 0 })
}

// onLink says whether an address is reached without a gateway, as far as is known.
func (f Facts) onLink(address netip.Addr) bool {
	return address.IsLoopback() || address.IsLinkLocalUnicast() ||
		slices.ContainsFunc(f.Networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// silentGateways are the gateways that do not answer on their link; nil where another one answers, or may.
func (f Facts) silentGateways() []Gateway {
	var silent []Gateway
	for _, g := range f.Gateways {
		switch g.State {
		case NeighbourSilent:
			silent = append(silent, g)
		case NeighbourAnswers:
			return nil
		}
	}
	return silent
}
