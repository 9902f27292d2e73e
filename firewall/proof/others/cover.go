package others

import (
	"slices"
	"sort"

	"sallyport/firewall"
)

// cover says how much of a flow something is about.
type cover uint8

const (
	none cover = iota
	part       // some of it, or it may be
	all
)

func (c cover) not() cover { return all - c }

// reason says why it is only a part, as bits: what narrows a rule decides how much it is to be worried about.
type reason uint8

const (
	byNothing   reason = 0
	bySource    reason = 1 << (iota - 1) // the addresses of the other side
	byRate                               // a rate, a number of connections, a share
	byList                               // a list whose content is not known
	byInterface                          // the interface
	byPort                               // ports
	byUnknown                            // something that has no word
)

// coverOf says how much of the ranges lies in others. Both are ascending and apart.
func coverOf[R any](have, want []R, before func(a, b R) bool, within func(a, b R) bool) cover {
	inside, outside := false, false
	for _, h := range have {
		// The first that does not end before this one begins.
		i := sort.Search(len(want), func(i int) bool { return !before(want[i], h) })
		switch {
		case i == len(want) || before(h, want[i]):
			outside = true
		case within(h, want[i]):
			inside = true
		default:
			return part
		}
		if inside && outside {
			return part
		}
	}
	if inside {
		return all
	}
	return none
}

func coverAddrs(have, want []firewall.Addrs) cover {
	return coverOf(have, want,
		func(a, b firewall.Addrs) bool { return a.To.Less(b.From) },
		func(a, b firewall.Addrs) bool { return !a.From.Less(b.From) && !b.To.Less(a.To) })
}

func coverNumbers(have, want []firewall.Range) cover {
	return coverOf(have, want,
		func(a, b firewall.Range) bool { return a.Last < b.First },
		func(a, b firewall.Range) bool { return a.First >= b.First && a.Last <= b.Last })
}

func coverNames(have []string, want []string) cover {
	n := 0
	for _, name := range have {
		if slices.ContainsFunc(want, func(p string) bool { return namePattern(p, name) }) {
			n++
		}
	}
	switch n {
	case 0:
		return none
	case len(have):
		return all
	default:
		return part
	}
}

// apart sorts ranges of addresses and joins those that overlap or follow each other.
func apart(list []firewall.Addrs) []firewall.Addrs {
	slices.SortFunc(list, func(a, b firewall.Addrs) int { return a.From.Compare(b.From) })
	var joined []firewall.Addrs
	for _, a := range list {
		n := len(joined) - 1
		if n >= 0 && (!joined[n].To.Less(a.From) || joined[n].To.Next() == a.From) {
			if joined[n].To.Less(a.To) {
				joined[n].To = a.To
			}
			continue
		}
		joined = append(joined, a)
	}
	return joined
}

func apartNumbers(list []firewall.Range) []firewall.Range {
	slices.SortFunc(list, func(a, b firewall.Range) int { return int(int64(a.First) - int64(b.First)) })
	var joined []firewall.Range
	for _, r := range list {
		n := len(joined) - 1
		if n >= 0 && r.First <= joined[n].Last+1 && joined[n].Last != ^uint32(0) {
			joined[n].Last = max(joined[n].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	return joined
}

// addressValues are the addresses among values, apart.
func addressValues(values []firewall.Value) []firewall.Addrs {
	var list []firewall.Addrs
	for _, v := range values {
		if a, ok := v.(firewall.Addrs); ok {
			list = append(list, a)
		}
	}
	return apart(list)
}

// numberValues are the numbers among values, apart.
func numberValues(values []firewall.Value) []firewall.Range {
	var list []firewall.Range
	for _, v := range values {
		switch v := v.(type) {
		case firewall.Number:
			list = append(list, firewall.Range{First: uint32(v), Last: uint32(v)})
		case firewall.Range:
			list = append(list, v)
		}
	}
	return apartNumbers(list)
}

func nameValues(values []firewall.Value) []string {
	var list []string
	for _, v := range values {
		if n, ok := v.(firewall.Name); ok {
			list = append(list, string(n))
		}
	}
	return list
}
