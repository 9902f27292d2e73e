package verdict

import (
	"cmp"
	"slices"

	"sallyport/check"
)

// scene is all that the rules look at: the results in an order of their own, so that theirs does not matter, and which of
// them are still to be explained.
type scene struct {
	results []check.Result
	places  [][]place // of each result's endpoints
	facts   Facts
	claimed []bool
}

func newScene(results []check.Result, facts Facts) *scene {
	s := &scene{results: slices.Clone(results), facts: facts, claimed: make([]bool, len(results))}
	slices.SortStableFunc(s.results, func(a, b check.Result) int {
		return cmp.Or(cmp.Compare(a.Check, b.Check), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Target, b.Target),
			cmp.Compare(a.Status, b.Status), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Detail, b.Detail),
			cmp.Compare(a.Remedy, b.Remedy), cmp.Compare(a.After, b.After))
	})
	for i, r := range s.results {
		if r.Status > check.Waived { // there is none such: what cannot be told is not well
			s.results[i].Status = check.Unknown
		}
		places := make([]place, len(r.Endpoints))
		for i, e := range r.Endpoints {
			places[i] = placeOf(e.Address)
		}
		s.places = append(s.places, places)
	}
	return s
}

// unwell says whether a status is to be explained. A status that does not exist is, as unknown.
func unwell(s check.Status) bool {
	return s != check.OK && s != check.Skipped && s != check.Waived
}

// open are the results that are not explained yet and of which holds what is asked. Those of the service itself are not
// among them: what they are about is told by withService.
func (s *scene) open(holds func(i int, r check.Result) bool) []int {
	var open []int
	for i, r := range s.results {
		if unwell(r.Status) && !s.claimed[i] && !itsOwn(r) && holds(i, r) {
			open = append(open, i)
		}
	}
	return open
}

// openWith are those with one of the causes.
func (s *scene) openWith(causes ...check.Cause) []int {
	return s.open(func(_ int, r check.Result) bool { return slices.Contains(causes, r.Cause) })
}

// claim takes what is still open of some results.
func (s *scene) claim(positions []int) []int {
	var taken []int
	for _, i := range positions {
		if !s.claimed[i] && unwell(s.results[i].Status) {
			s.claimed[i] = true
			taken = append(taken, i)
		}
	}
	slices.Sort(taken)
	return taken
}

// bad are the places of a result that fail, or warn.
func (s *scene) bad(i int) []place {
	var bad []place
	for j, e := range s.results[i].Endpoints {
		if unwell(e.Status) {
			bad = append(bad, s.places[i][j])
		}
	}
	return bad
}

// withDependents adds the checks that were not run because one of these failed, at any distance.
func (s *scene) withDependents(positions []int) []int {
	all := slices.Clone(positions)
	for begin := 0; begin < len(all); {
		names := map[string]bool{}
		for _, i := range all[begin:] {
			names[s.results[i].Check] = true
		}
		begin = len(all)
		for i, r := range s.results {
			if r.Status == check.Skipped && r.After != "" && names[r.After] && !slices.Contains(all, i) {
				all = append(all, i)
			}
		}
	}
	return all
}

// names are those of the checks, each once.
func (s *scene) names(positions []int) []string {
	var names []string
	for _, i := range positions {
		names = append(names, clean(s.results[i].Check))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hosts are those that the results are about, each once.
func (s *scene) hosts(positions []int) []string {
	var hosts []string
	for _, i := range positions {
		if host := hostOf(s.results[i]); host != "" {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// words is what the results say, a line for each, the one that speaks for them first.
func (s *scene) words(positions []int, layer check.Layer) []string {
	head := s.headAt(positions, kindOf(layer))
	var lines []string
	for _, i := range append([]int{head}, positions...) {
		r := s.results[i]
		line := r.Check
		if r.Cause != "" {
			line += ": " + string(r.Cause)
		}
		if r.Detail != "" {
			line += ": " + r.Detail
		}
		lines = append(lines, line)
	}
	return lines
}

// head is the result that speaks for some: the worst, of the most frequent cause, one of the kind if there is one.
func (s *scene) head(positions []int, kind string) check.Result {
	return s.results[s.headAt(positions, kind)]
}

// kindOf is the kind of the checks that are about a layer and nothing else.
func kindOf(layer check.Layer) string {
	if layer == check.LayerDNS {
		return check.KindDNS
	}
	return ""
}

func (s *scene) headAt(positions []int, kind string) int {
	count := map[check.Cause]int{}
	for _, i := range positions {
		count[s.results[i].Cause]++
	}
	return slices.MinFunc(positions, func(a, b int) int {
		ra, rb := s.results[a], s.results[b]
		return cmp.Or(cmp.Compare(urgency(ra.Status), urgency(rb.Status)), cmp.Compare(count[rb.Cause], count[ra.Cause]),
			first(ra.Kind == kind, rb.Kind == kind), cmp.Compare(a, b))
	})
}

// first orders what is so before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

// grouped puts results with the same key together, in the order of the first of each; those without a key are left out.
func grouped(positions []int, key func(i int) string) [][]int {
	at := map[string]int{}
	var groups [][]int
	for _, i := range positions {
		k := key(i)
		if k == "" {
			continue
		}
		if _, known := at[k]; !known {
			at[k] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[k]] = append(groups[at[k]], i)
	}
	return groups
}

// connected puts results together that have a key in common, directly or by others; those without a key are left out.
func connected(positions []int, keys func(i int) []string) [][]int {
	var groups [][]int
	group := map[string]int{} // of each key
	for _, i := range positions {
		mine := keys(i)
		if len(mine) == 0 {
			continue
		}
		target := len(groups)
		groups = append(groups, []int{i})
		for _, k := range mine {
			if old, known := group[k]; known && old != target {
				groups[target] = append(groups[target], groups[old]...)
				groups[old] = nil
				for other, g := range group {
					if g == old {
						group[other] = target
					}
				}
			}
			group[k] = target
		}
	}
	groups = slices.DeleteFunc(groups, func(g []int) bool { return len(g) == 0 })
	for _, g := range groups {
		slices.Sort(g)
	}
	slices.SortFunc(groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return groups
}
