package verdict

import (
	"slices"

	"sallyport/check"
)

// blockedHere: this host itself keeps connections from going out, or their answers from coming in; a root for each who does
// it, as far as it is known who.
func blockedHere(s *scene) []finding {
	ends := s.open(func(_ int, r check.Result) bool {
		return r.Cause == check.ConnectBlockedHere || r.Cause == check.DNSUnreachable && len(blockersOf(r)) > 0
	})
	var found []finding
	for _, group := range connected(ends, func(i int) []string {
		if by := blockersOf(s.results[i]); len(by) > 0 {
			return by
		}
		return []string{"nobody knows who"}
	}) {
		head := s.head(group, "")
		words := "this host itself does not let connections out to"
		if by := blockersOf(head); len(by) > 0 {
			words = by[0]
		}
		found = append(found, finding{
			cause: check.ConnectBlockedHere, sentence: words + " " + listed(s.unreached(group)), first: head.Remedy,
			explains: append(group, s.unresolvedBy(group)...),
		})
	}
	return found
}

// unreached are whom results fail to reach: of a query, the resolvers.
func (s *scene) unreached(group []int) []string {
	servers := s.allServers(slices.DeleteFunc(slices.Clone(group), func(i int) bool {
		return s.results[i].Kind != check.KindDNS
	}))
	return append(servers, s.hosts(slices.DeleteFunc(slices.Clone(group), func(i int) bool {
		return s.results[i].Kind == check.KindDNS
	}))...)
}

// unresolvedBy are the checks whose names only resolvers could tell that this host does not let itself ask.
func (s *scene) unresolvedBy(group []int) []int {
	var cut []string
	for _, i := range group {
		if s.results[i].Kind == check.KindDNS {
			cut = append(cut, s.servers(i)...)
		}
	}
	return s.open(func(i int, r check.Result) bool {
		servers := s.servers(i)
		return r.Kind != check.KindDNS && r.Cause == check.DNSUnreachable && len(servers) > 0 &&
			!slices.ContainsFunc(servers, func(at string) bool { return !slices.Contains(cut, at) })
	})
}
