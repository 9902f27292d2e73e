package firewall

import (
	"cmp"
	"slices"
)

// elements walks two ascending lists at once.
func (d *Drift) elements(set string, want, got []Element) {
	if len(want) == len(got) && (len(want) == 0 || &want[0] == &got[0]) {
		return // one and the same list
	}
	want, got = ascending(want), ascending(got)
	missing, extra := bounded{}, bounded{}
	for len(want) > 0 || len(got) > 0 {
		var order int
		switch {
		case len(want) == 0:
			order = 1
		case len(got) == 0:
			order = -1
		default:
			order = want[0].Compare(got[0])
		}
		if order < 0 {
			missing.add(Change{Missing: true, Object: "element", In: set, Text: want[0].String()})
		}
		if order > 0 {
			extra.add(Change{Object: "element", In: set, Text: got[0].String()})
		}
		if order <= 0 {
			want = want[1:]
		}
		if order >= 0 {
			got = got[1:]
		}
	}
	d.add(extra.changes...)
	d.add(missing.changes...)
}

// ascending is the list in order; most lists are.
func ascending(elements []Element) []Element {
	if slices.IsSortedFunc(elements, Element.Compare) {
		return elements
	}
	return slices.SortedFunc(slices.Values(elements), Element.Compare)
}

// Compare orders elements by what their keys stand for, part by part, then by their timeouts.
func (e Element) Compare(other Element) int {
	return cmp.Or(slices.CompareFunc(e.Key, other.Key, compareValues), cmp.Compare(e.Timeout, other.Timeout))
}

// compareValues orders values by what they stand for: numbers and ranges, addresses, names.
func compareValues(a, b Value) int {
	switch a := a.(type) {
	case Addrs:
		if b, ok := b.(Addrs); ok {
			return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To))
		}
	case Name:
		if b, ok := b.(Name); ok {
			return cmp.Compare(a, b)
		}
	}
	return cmp.Or(cmp.Compare(kindOf(a), kindOf(b)), compareRanges(rangeOf(a), rangeOf(b)))
}

func kindOf(v Value) int {
	switch v.(type) {
	case Addrs:
		return 1
	case Name:
		return 2
	default:
		return 0
	}
}

func rangeOf(v Value) Range {
	switch v := v.(type) {
	case Number:
		return Range{First: uint32(v), Last: uint32(v)}
	case Range:
		return v
	default:
		return Range{}
	}
}

func compareRanges(a, b Range) int {
	return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
}
