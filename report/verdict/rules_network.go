package verdict

import (
	"net/netip"
	"slices"

	"sallyport/check"
)

// silence is what it looks like when nobody answers for an address. A resolver that is unreachable is not among it: its
// port may be closed on a host that answers.
func silence() []check.Cause {
	return []check.Cause{check.ConnectTimeout, check.ConnectUnreachable, check.DNSTimeout}
}

// lost is what it looks like when this host's packets get nowhere.
func lost() []check.Cause { return append(silence(), check.DNSUnreachable, check.ConnectSource) }

// ways are the places that a result fails to reach: its endpoints, and the resolvers that it would need.
func (s *scene) ways(i int) []place {
	ways := s.bad(i)
	for _, resolver := range resolversOf(s.results[i]) {
		ways = append(ways, placeOf(resolver))
	}
	return ways
}

// beyond says whether a place is known to be reached by a gateway only.
func (s *scene) beyond(p place) bool { return p.address.IsValid() && !s.facts.onLink(p.address) }

// lostBeyond are the open results that fail because none of the addresses that they need, all beyond this host's links,
// is reached.
func (s *scene) lostBeyond() []int {
	return s.open(func(i int, r check.Result) bool {
		ways := s.ways(i)
		return slices.Contains(lost(), r.Cause) && len(ways) > 0 && !slices.ContainsFunc(ways, func(p place) bool {
			return !p.address.IsValid() || s.facts.onLink(p.address)
		})
	})
}

// reachedBeyond says whether something beyond this host's links was reached by a connection, or answered.
func (s *scene) reachedBeyond() bool {
	for i, r := range s.results {
		for j, e := range r.Endpoints {
			p := s.places[i][j]
			answered := e.Status == check.OK || unwell(e.Status) && e.Cause != "" && !slices.Contains(lost(), e.Cause) &&
				e.Cause != check.ConnectBlockedHere
			if answered && p.address.IsValid() && !s.facts.onLink(p.address) {
				return true
			}
		}
	}
	return false
}

// noLink: no interface could send anything.
func noLink(s *scene) []finding {
	if !s.facts.Known || s.facts.linked() {
		return nil
	}
	cut := s.open(func(i int, r check.Result) bool {
		return slices.Contains(lost(), r.Cause) && !slices.ContainsFunc(s.ways(i), func(p place) bool {
			return p.address.IsLoopback()
		})
	})
	f := finding{
		cause:    check.ConnectUnreachable,
		sentence: "this host has no network",
		first:    "Look at ip address: switch the interface on, mend its cable or virtual port, and give it its address.",
		explains: cut,
		covers:   func(p place) bool { return !p.address.IsLoopback() },
	}
	for _, i := range s.facts.Interfaces {
		f.evidence = append(f.evidence, i.words())
	}
	if len(f.evidence) == 0 {
		f.evidence = []string{"there is no interface but the loopback"}
	}
	f.sentence += ": " + f.evidence[0]
	return []finding{f}
}

func (i Interface) words() string {
	switch {
	case !i.Up:
		return "the interface " + i.Name + " is switched off"
	case !i.Running:
		return "the interface " + i.Name + " has no carrier"
	case i.Addresses == 0:
		return "the interface " + i.Name + " has no address"
	default:
		return "the interface " + i.Name + " is up, with " + counted(i.Addresses, "address", "addresses")
	}
}

// noRoute: nothing leads beyond this host's links, and the kernel said so for some address. A table that only a rule leads
// to (ip rule) is not among what is known.
func noRoute(s *scene) []finding {
	if !s.facts.Known || s.facts.Default || s.reachedBeyond() {
		return nil
	}
	lost := s.lostBeyond()
	if !slices.ContainsFunc(lost, func(i int) bool {
		cause := s.results[i].Cause
		return cause == check.ConnectUnreachable || cause == check.DNSUnreachable
	}) {
		return nil
	}
	return []finding{{
		cause:    check.ConnectUnreachable,
		sentence: "this host has no default route",
		evidence: []string{"the routing tables lead to its own links only"},
		first:    "Look at ip route, and give this host its default gateway again (DHCP, or the network's configuration).",
		explains: lost,
		covers:   s.beyond,
	}}
}

// gatewaySilent: nobody on the link answers for the gateway, and nothing beyond it is reached.
func gatewaySilent(s *scene) []finding {
	silent := s.facts.silentGateways()
	if len(silent) == 0 || s.reachedBeyond() {
		return nil
	}
	f := finding{
		cause:    check.ConnectUnreachable,
		sentence: "the gateway " + silent[0].Address.String() + " does not answer",
		first: "See that " + silent[0].Address.String() + " is up, and on the same network as " + silent[0].Interface +
			" (ip neigh; ip route; VLAN, cable).",
		explains: s.lostBeyond(),
		covers:   s.beyond,
	}
	for _, g := range silent {
		f.evidence = append(f.evidence, "nobody on the link of "+g.Interface+" answers for "+g.Address.String()+
			", the gateway of the default route")
	}
	return []finding{f}
}

// uplink: the gateway answers, or hides whether it does, and nothing of what is beyond it. One host that is down, or the
// resolvers alone, do not prove that.
func uplink(s *scene) []finding {
	if !s.facts.Known || len(s.facts.Gateways) == 0 || s.reachedBeyond() {
		return nil
	}
	beyond := s.lostBeyond()
	hosts := connected(beyond, s.addresses)
	connects := slices.ContainsFunc(beyond, func(i int) bool {
		return s.results[i].Cause.Layer() == check.LayerConnect
	})
	if len(hosts) < 2 || !connects {
		return nil
	}
	g := s.facts.Gateways[0]
	f := finding{
		cause:    s.head(beyond, "").Cause,
		sentence: "nothing beyond the gateway " + g.Address.String() + " answers",
		first: "Look at " + g.Address.String() + " and its uplink, and whether it lets this host out (traceroute to one " +
			"of the targets).",
		explains: beyond,
		covers:   s.beyond,
	}
	if g.State == NeighbourAnswers {
		f.evidence = []string{"the gateway itself is there: it answers on the link of " + g.Interface}
	}
	return []finding{f}
}

// addresses are those that a result fails to reach.
func (s *scene) addresses(i int) []string {
	var all []string
	for _, p := range s.ways(i) {
		if p.address.IsValid() {
			all = append(all, p.address.String())
		}
	}
	return all
}

// hostSilent: several ports of one host, and none of them is answered.
func hostSilent(s *scene) []finding {
	candidates := s.open(func(i int, r check.Result) bool {
		return slices.Contains(silence(), r.Cause) && len(s.addresses(i)) > 0 && s.allSilent(i)
	})
	var found []finding
	for _, group := range connected(candidates, s.addresses) {
		ports := map[string]bool{}
		addresses := map[netip.Addr]bool{}
		for _, i := range group {
			for _, p := range s.ways(i) {
				ports[p.port], addresses[p.address] = true, true
			}
		}
		if len(ports) < 2 || s.answers(addresses) {
			continue
		}
		name := listed(s.addressNames(group))
		found = append(found, finding{
			cause:    s.head(group, "").Cause,
			sentence: "the host " + name + " answers at none of its ports",
			first:    "See that the host " + name + " is up and on its network (its console; ping; ip neigh).",
			explains: group,
		})
	}
	return found
}

func (s *scene) addressNames(group []int) []string {
	var names []string
	for _, i := range group {
		names = append(names, s.addresses(i)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// allSilent says whether a result fails in silence at each of its endpoints that fails.
func (s *scene) allSilent(i int) bool {
	return !slices.ContainsFunc(s.results[i].Endpoints, func(e check.Endpoint) bool {
		return unwell(e.Status) && !slices.Contains(silence(), e.Cause)
	})
}

// answers says whether anything came back from one of the addresses.
func (s *scene) answers(addresses map[netip.Addr]bool) bool {
	for i, r := range s.results {
		for j, e := range r.Endpoints {
			if e.Status != check.Skipped && !slices.Contains(silence(), e.Cause) && addresses[s.places[i][j].address] {
				return true
			}
		}
	}
	return false
}

// portSilent: several hosts, all silent on one port on which nobody else is reached, while other ports are.
func portSilent(s *scene) []finding {
	silent := s.open(func(i int, r check.Result) bool {
		return r.Cause == check.ConnectTimeout && len(s.bad(i)) > 0 && s.allSilent(i)
	})
	var found []finding
	for _, group := range grouped(silent, s.port) {
		port := s.port(group[0])
		same, other := s.connectedTo(port)
		hosts := connected(group, s.addresses)
		if same || !other || len(hosts) < 2 {
			continue
		}
		found = append(found, finding{
			cause: check.ConnectTimeout,
			sentence: "every connection to port " + port + " gets no answer, at " + counted(len(hosts), "host", "hosts") +
				", while other ports answer: a firewall on the way out drops it",
			first:    "Ask who runs the firewalls on the way whether this host may go out to port " + port + ".",
			explains: group,
			covers:   func(p place) bool { return p.port == port },
		})
	}
	return found
}

// port is the one that all failing endpoints of a result have; empty where there is not one.
func (s *scene) port(i int) string {
	bad := s.bad(i)
	if len(bad) == 0 || slices.ContainsFunc(bad, func(p place) bool { return p.port != bad[0].port }) {
		return ""
	}
	return bad[0].port
}

// connectedTo says whether a connection was made to the port at any address, and whether one was to another port.
func (s *scene) connectedTo(port string) (same, other bool) {
	for i, r := range s.results {
		for j, e := range r.Endpoints {
			p := s.places[i][j]
			if r.Kind == check.KindDNS || p.port == "" || e.Status == check.Skipped ||
				unwell(e.Status) && e.Cause.Layer() == check.LayerConnect {
				continue
			}
			same = same || p.port == port
			other = other || p.port != port
		}
	}
	return same, other
}

// sameServer: what fails alike at the same address and port, up to where a directory judges what the check asks of it.
func sameServer(s *scene) []finding {
	bad := s.open(func(i int, r check.Result) bool { return len(s.bad(i)) > 0 && ofServer(r.Cause) })
	var found []finding
	for _, group := range connected(bad, func(i int) []string { return s.alike(i) }) {
		if len(group) < 2 {
			continue
		}
		head := s.head(group, "")
		found = append(found, finding{
			cause: head.Cause,
			sentence: "the server " + listed(s.labels(group)) + " fails alike for several checks, at the layer " +
				string(head.Cause.Layer()) + said(head),
			first: head.Remedy, explains: group,
		})
	}
	return found
}

// ofServer says whether a cause is about the server, whoever asks it for whatever.
func ofServer(cause check.Cause) bool {
	switch cause.Layer() {
	case check.LayerConnect, check.LayerTLS, check.LayerCertificate:
		return cause != check.CertNameMismatch && cause != check.CertPinMismatch && cause != check.CertIntercepted
	case check.LayerLDAP:
		return slices.Contains([]check.Cause{
			check.LDAPBusy, check.LDAPUnavailable, check.LDAPUnwilling, check.LDAPTimeout, check.LDAPClosed,
			check.LDAPMalformed, check.LDAPConfidentialityRequired,
		}, cause)
	default:
		return false
	}
}

// alike are the places of a result, each with what fails there.
func (s *scene) alike(i int) []string {
	var keys []string
	for _, p := range s.bad(i) {
		keys = append(keys, string(s.results[i].Cause)+" "+p.label)
	}
	return keys
}

func (s *scene) labels(group []int) []string {
	var labels []string
	for _, i := range group {
		for _, p := range s.bad(i) {
			labels = append(labels, p.label)
		}
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}
