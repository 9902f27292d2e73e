package proof

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"sallyport/firewall"
)

// Bounds of a rehearsal: a policy of any size is rehearsed in the same time, by its edges. What is left out of a policy
// that is larger is told (Rehearsal.Omitted).
const (
	maxVisits     = 4096 // of all exceptions together, those of management first
	maxVisitsEach = 64   // of an exception
	minVisitsEach = 4    // of an exception, however many others there are
	maxInterfaces = 16   // that the namespace gets
	maxPrefixes   = 4    // of each family of an exception: the first, the last and some between
	maxOthers     = 4    // exceptions whose sources are tried on the ports of one
	maxPorts      = 4    // ranges of an exception, likewise; and interfaces
)

// visit is one packet that comes to the host, and what the policy says about it.
type visit struct {
	By       string // the interface
	From     netip.Addr
	Protocol firewall.Protocol
	Port     uint16
	Stray    bool // a TCP segment that begins no connection

	In         bool   // the policy lets it in
	Way        string // by the exception of this name, the first that does
	Management bool   // which is one of management
	Named      bool   // some exception names the port
}

// plan is what a rehearsal is to do: a plain value, for a child in another process too.
type plan struct {
	Outside string               // an interface that no exception names
	Beside  string               // another, of Ethernet
	Host    map[uint8]netip.Addr // by family: addresses of the host
	Far     map[uint8]netip.Addr // strangers from far away, and the peers of what the host begins
	Next    map[uint8]netip.Addr // whom else there is
	Visits  []visit              // those by one interface stand together
	Spoofs  []visit              // that the policy lets in, and that are to come in by another way
	Exits   []exit               // what the host begins
	Omitted int                  // visits that are left out, for the bounds
	Ping    bool                 // echo requests get in
	unnamed uint16               // a port that no exception names, 0 where they name all; no part of the order
	Shut    bool                 // nothing is passed on
}

// addresses that a rehearsal can take for its own: those of documentation (RFC 5737, RFC 3849), of benchmarks (RFC 2544,
// RFC 5180), and some public ones for a policy that names all of these.
func addresses() map[uint8][]netip.Addr {
	all := make(map[uint8][]netip.Addr)
	for _, text := range []string{
		"203.0.113.9", "198.51.100.9", "192.0.2.9", "198.18.0.9", "198.19.255.9", "9.9.9.9", "100.64.0.9", "151.101.0.9",
		"2001:db8:ffff::9", "2001:db8:eeee::9", "2001:db8:dddd::9", "2001:2::9", "2001:2::19", "2620:fe::9", "2a00::9",
		"2c00::9",
	} {
		a := netip.MustParseAddr(text)
		all[family(a)] = append(all[family(a)], a)
	}
	return all
}

// planFor is the plan of a policy: for each exception the edges of its sources and ports, by the interfaces it names, and
// what is just beside those. Whether each is to get in is not told by where it comes from here, but by the policy.
func planFor(p firewall.Policy) plan {
	all := slices.Concat(p.Management, p.Allow)
	out := plan{
		Outside: unnamed(all, "sp-outside", "zz-outside", "qx0", "w9"),
		Beside:  unnamed(all, "sp-beside", "zz-beside", "qx1", "w8"),
		Host:    map[uint8]netip.Addr{}, Far: map[uint8]netip.Addr{}, Next: map[uint8]netip.Addr{},
		Ping: p.Ping, Shut: p.Forward == firewall.ForwardDrop,
	}
	for kind, candidates := range addresses() {
		// Those that no exception names come first; an exception of everybody names none.
		slices.SortStableFunc(candidates, func(a, b netip.Addr) int {
			return cmp.Compare(mentions(all, a), mentions(all, b))
		})
		out.Far[kind], out.Next[kind], out.Host[kind] = candidates[0], candidates[1], candidates[2]
	}
	out.Exits = exits(p, out)
	list := newGuestlist(p, all)
	out.unnamed = unnamedPort(all)
	limit := min(maxVisitsEach, max(minVisitsEach, maxVisits/max(len(all), 1)))
	for _, e := range all {
		proposed := visits(e, out, all)
		for _, v := range proposed[:min(limit, len(proposed))] {
			list.add(v, out.Host)
		}
		list.omitted += max(0, len(proposed)-limit)
	}
	for _, far := range out.Far {
		list.add(visit{By: out.Outside, From: far, Protocol: firewall.TCP, Port: 22}, out.Host)
	}
	out.Visits, out.Omitted = list.visits, list.omitted
	out.Spoofs = spoofs(out.Visits)
	slices.SortStableFunc(out.Visits, func(a, b visit) int { return strings.Compare(a.By, b.By) })
	return out
}

// guestlist has the policy judge visits, and keeps each once.
type guestlist struct {
	policy  firewall.Policy
	each    []firewall.Policy // every exception alone, to tell which of them it is
	seen    map[visit]bool    // before they were judged
	names   map[string]bool   // of interfaces
	visits  []visit
	omitted int
}

func newGuestlist(p firewall.Policy, all []firewall.Exception) *guestlist {
	g := &guestlist{policy: p, seen: make(map[visit]bool), names: make(map[string]bool)}
	for _, e := range all {
		g.each = append(g.each, firewall.Policy{Allow: []firewall.Exception{e}})
	}
	return g
}

// add keeps the visit if it is new, can be, and there is room for it.
func (g *guestlist) add(v visit, host map[uint8]netip.Addr) {
	if !usable(v.From) || v.From == host[family(v.From)] || g.seen[v] {
		return
	}
	if len(g.visits) >= maxVisits || len(g.names) >= maxInterfaces && !g.names[v.By] {
		g.omitted++
		return
	}
	g.seen[v], g.names[v.By] = true, true
	v.In = g.policy.AdmitsBy(v.By, v.From, v.Protocol, v.Port)
	for i, alone := range g.each {
		if !names(alone.Allow[0], v.Protocol, v.Port) {
			continue
		}
		v.Named = true
		if v.In && v.Way == "" && alone.AdmitsBy(v.By, v.From, v.Protocol, v.Port) {
			v.Way, v.Management = alone.Allow[0].Name, i < len(g.policy.Management)
		}
	}
	g.visits = append(g.visits, v)
}

func names(e firewall.Exception, protocol firewall.Protocol, port uint16) bool {
	return slices.ContainsFunc(e.Ports, func(r firewall.Ports) bool {
		return r.Protocol == protocol && r.First <= port && port <= r.Last
	})
}

// visits are those that an exception gives rise to, of both sides, what matters most first.
func visits(e firewall.Exception, p plan, all []firewall.Exception) []visit {
	by, ports, sources := named(e, p.Outside), edgePorts(e.Ports), edgeSources(e, p)
	var out []visit
	at := func(by string, from netip.Addr, protocol firewall.Protocol, port uint16) {
		out = append(out, visit{By: by, From: from, Protocol: protocol, Port: port})
	}
	first := ports[0]
	for _, kind := range []uint8{ipv4, ipv6} {
		strangers := slices.Concat([]netip.Addr{p.Far[kind]}, sources[kind].beside, ofOthers(e, all, p, kind))
		for _, from := range slices.Concat(sources[kind].in, strangers) {
			at(by[0], from, first.Protocol, first.First)
		}
		out = append(out, visit{By: by[0], From: p.Far[kind], Protocol: firewall.TCP, Port: first.First, Stray: true})
	}
	other := first.Protocol ^ firewall.TCP ^ firewall.UDP
	for _, kind := range []uint8{ipv4, ipv6} {
		// One from inside and one from far away stand for all others at the further ports and interfaces.
		for _, from := range slices.Concat(some(sources[kind].in, 1), []netip.Addr{p.Far[kind]}) {
			for _, r := range ports[1:] {
				at(by[0], from, r.Protocol, r.First)
			}
			for _, name := range append(by[1:], p.Outside) {
				at(name, from, first.Protocol, first.First)
			}
			at(by[0], from, other, first.First)
			if p.unnamed != 0 {
				at(by[0], from, first.Protocol, p.unnamed)
			}
		}
	}
	return out
}

// ofOthers are sources that some of the other exceptions let in: exceptions do not cross.
func ofOthers(e firewall.Exception, all []firewall.Exception, p plan, kind uint8) []netip.Addr {
	var out []netip.Addr
	for _, other := range some(all, maxOthers) {
		if other.Name != e.Name {
			out = append(out, some(edgeSources(other, p)[kind].in, 1)...)
		}
	}
	return out
}

// spoofs are a visit of each family that the policy lets in.
func spoofs(visits []visit) []visit {
	var out []visit
	for _, kind := range []uint8{ipv4, ipv6} {
		i := slices.IndexFunc(visits, func(v visit) bool { return v.In && !v.Stray && family(v.From) == kind })
		if i >= 0 {
			out = append(out, visits[i])
		}
	}
	return out
}
