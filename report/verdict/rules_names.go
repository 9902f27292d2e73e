package verdict

import (
	"slices"
	"strings"

	"sallyport/check"
)

func lower(s string) string { return strings.ToLower(s) }

// noResolver: the host has nobody to ask.
func noResolver(s *scene) []finding {
	lost := s.openWith(check.DNSNoResolver)
	if len(lost) == 0 {
		return nil
	}
	return []finding{{
		cause:    check.DNSNoResolver,
		sentence: "this host has no resolver",
		so:       s.unresolved(lost),
		first:    s.head(lost, check.KindDNS).Remedy,
		explains: lost,
	}}
}

// resolverDown: one resolver, or several that are asked together, gives no use to anybody. One that does not answer is down
// if it answered nothing else; one that answers with a failure is if it does so for several names, and for no other not.
func resolverDown(s *scene) []finding {
	asked := s.askResolvers()
	bad := s.open(func(i int, r check.Result) bool {
		servers := s.servers(i)
		return r.Cause.Layer() == check.LayerDNS && len(servers) > 0 && !slices.ContainsFunc(servers, func(at string) bool {
			return !asked[at].down()
		})
	})
	groups := connected(bad, s.servers)
	var found []finding
	for _, group := range groups {
		head := s.head(group, check.KindDNS)
		if len(groups) == 1 { // a name that could not be resolved, it is not known by whom
			group = append(group, s.open(func(i int, r check.Result) bool {
				return r.Cause == head.Cause && len(s.servers(i)) == 0 && len(r.Endpoints) == 0
			})...)
		}
		name, so := resolverName(s.allServers(group)), s.unresolved(group)
		if still := s.othersAnswer(group); still != "" {
			so = "but " + still + " does, and names still resolve"
		}
		found = append(found, finding{
			cause: head.Cause, sentence: name + " " + resolverWords(head.Cause, strings.HasPrefix(name, "the resolvers")),
			so: so, evidence: s.gatewayOf(group), first: head.Remedy, explains: group,
		})
	}
	return found
}

// resolverRecord is what a resolver did with what it was asked.
type resolverRecord struct {
	well   bool            // it gave some definite answer
	silent bool            // some question got no answer
	failed map[string]bool // hosts for which it failed
}

func (r resolverRecord) down() bool { return !r.well && (r.silent || len(r.failed) > 1) }

// askResolvers is the record of each resolver, by its label.
func (s *scene) askResolvers() map[string]resolverRecord {
	records := map[string]resolverRecord{}
	note := func(server string, cause check.Cause, host string) {
		r, known := records[server]
		if !known {
			r.failed = map[string]bool{}
		}
		switch cause {
		case "", check.DNSNXDomain, check.DNSNoData, check.DNSMismatch, check.DNSDangling:
			r.well = true
		case check.DNSTimeout, check.DNSUnreachable:
			r.silent = true
		default:
			r.failed[host] = true
		}
		records[server] = r
	}
	for i, r := range s.results {
		if r.Kind == check.KindDNS {
			for _, e := range r.Endpoints {
				if e.Status == check.OK || unwell(e.Status) && e.Cause != "" {
					note(e.Address, e.Cause, hostOf(r))
				}
			}
			continue
		}
		if unwell(r.Status) && r.Cause.Layer() == check.LayerDNS {
			for _, server := range s.servers(i) {
				note(server, r.Cause, hostOf(r))
			}
		}
	}
	return records
}

// servers are the resolvers at which a result fails.
func (s *scene) servers(i int) []string {
	if s.results[i].Kind != check.KindDNS {
		return resolversOf(s.results[i])
	}
	var servers []string
	for _, p := range s.bad(i) {
		servers = append(servers, p.label)
	}
	return servers
}

func (s *scene) allServers(group []int) []string {
	var all []string
	for _, i := range group {
		all = append(all, s.servers(i)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// othersAnswer names a resolver that gave an answer to everything that these resolvers did not; empty where none did.
func (s *scene) othersAnswer(group []int) string {
	var answering string
	for _, i := range group {
		e := slices.IndexFunc(s.results[i].Endpoints, func(e check.Endpoint) bool { return e.Status == check.OK })
		if e < 0 || s.results[i].Status != check.Warn {
			return ""
		}
		answering = s.results[i].Endpoints[e].Address
	}
	return answering
}

// gatewayOf says that a resolver beyond the gateway is not lost for the gateway's sake, where that is known.
func (s *scene) gatewayOf(group []int) []string {
	for _, server := range s.allServers(group) {
		at := placeOf(server).address
		if !at.IsValid() || s.facts.onLink(at) {
			return nil
		}
	}
	for _, g := range s.facts.Gateways {
		if g.State == NeighbourAnswers {
			return []string{"the gateway " + g.Address.String() + " answers on its link"}
		}
	}
	return nil
}

// unresolved is which names fail for a resolver.
func (s *scene) unresolved(group []int) string {
	names := s.hosts(s.withDependents(group))
	return "so " + counted(len(names), "name fails", "names fail") + ": " + listed(names)
}

func resolverName(servers []string) string {
	if len(servers) == 1 {
		return "the resolver " + servers[0]
	}
	return "the resolvers " + listed(servers)
}

func resolverWords(cause check.Cause, several bool) string {
	words := map[check.Cause][2]string{
		check.DNSTimeout:     {"does not answer", "do not answer"},
		check.DNSUnreachable: {"cannot be reached", "cannot be reached"},
		check.DNSRefused:     {"refuses to answer this host", "refuse to answer this host"},
		check.DNSServFail:    {"fails at whatever it is asked (SERVFAIL)", "fail at whatever they are asked (SERVFAIL)"},
		check.DNSBogus:       {"calls whatever it is asked bogus (DNSSEC)", "call whatever they are asked bogus (DNSSEC)"},
		check.DNSMalformed:   {"does not speak DNS as it should", "do not speak DNS as they should"},
	}[cause]
	if words[0] == "" {
		words = [2]string{"fails", "fail"}
	}
	if several {
		return words[1]
	}
	return words[0]
}

// wrongName: one name that does not resolve, or leads elsewhere than it should, is one root for all that use it. That it has
// no record of one type says nothing of the others.
func wrongName(s *scene) []finding {
	var found []finding
	bad := s.open(func(_ int, r check.Result) bool { return r.Cause.Layer() == check.LayerDNS })
	key := func(i int) string {
		host := hostOf(s.results[i])
		if host != "" && s.results[i].Cause == check.DNSNoData {
			host += " " + string(check.DNSNoData)
		}
		return host
	}
	for _, group := range grouped(bad, key) {
		head := s.head(group, check.KindDNS)
		if head.Status == check.Unknown {
			continue // nothing was told of the name
		}
		host := hostOf(head)
		if head.Cause == check.DNSMismatch && head.Status == check.Fail {
			group = append(group, s.misled(host)...)
		}
		found = append(found, finding{
			cause: head.Cause, sentence: nameWords(head.Cause, host), first: head.Remedy, explains: group,
		})
	}
	return found
}

// misled are the checks of a host that meet somebody else at every address to which its name leads.
func (s *scene) misled(host string) []int {
	return s.open(func(_ int, r check.Result) bool {
		if r.Kind == check.KindDNS || r.Status != check.Fail || hostOf(r) != host {
			return false
		}
		switch r.Cause.Layer() {
		case check.LayerConnect, check.LayerTLS:
			return r.Cause != check.ConnectBlockedHere && r.Cause != check.ConnectSource
		default:
			return slices.Contains([]check.Cause{
				check.CertNameMismatch, check.CertUnknownAuthority, check.CertSelfSigned, check.CertIntercepted,
				check.CertPinMismatch, check.CertJavaUntrusted,
			}, r.Cause)
		}
	})
}

func nameWords(cause check.Cause, host string) string {
	words := map[check.Cause]string{
		check.DNSNXDomain: "does not exist",
		check.DNSNoData:   "has no record of the type that is asked for",
		check.DNSMismatch: "does not lead where it should",
		check.DNSDangling: "leads nowhere",
		check.DNSBogus:    "has signatures that do not hold (DNSSEC)",
	}[cause]
	if words == "" {
		words = "does not resolve"
	}
	return "the name " + host + " " + words
}
