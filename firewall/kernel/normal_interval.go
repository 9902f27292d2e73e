package kernel

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"golang.org/x/sys/unix"
)

// interval is a range of keys with what hangs at it.
type interval struct {
	first []byte
	end   []byte // the first key after it; nil: up to the last key there is
	notes string // comment, timeout, data: what keeps it from being joined with its neighbour
}

// intervals joins the boundaries of a set. The kernel finds the boundary at or below a key and matches if that one opens
// (nft_set_rbtree.c), so an interval ends at the next boundary of either kind. Writers disagree on the rest: libnftables
// marks 0.0.0.0 as a closing boundary when no interval begins there and leaves out the end of one that reaches the last
// key, others write neither or both; adjacent ranges come as one or as two. All of these match the same packets, and come
// out the same here.
func intervals(elements []*rawElement, notes func(*rawElement) string) []interval {
	bounds := ascending(elements)
	list := make([]interval, 0, len(bounds)/2+1)
	for i, b := range bounds {
		if b.closes() {
			continue
		}
		next := interval{first: b.key, end: endOf(bounds[i+1:], b.key), notes: notes(b)}
		if n := len(list) - 1; n >= 0 && list[n].joins(next) {
			list[n].end = next.end
			continue
		}
		list = append(list, next)
	}
	return list
}

// ascending is the elements in the order of compareBounds. The kernel lists a tree from one end to the other, and a hash in
// no order: IPv4 addresses of those are sorted as numbers, which is many times as fast as by the bytes.
func ascending(elements []*rawElement) []*rawElement {
	if slices.IsSortedFunc(elements, compareBounds) {
		return elements
	}
	list := slices.Clone(elements)
	slices.Reverse(list)
	if slices.IsSortedFunc(list, compareBounds) {
		return list
	}
	if brief(list) {
		return byNumber(list)
	}
	slices.SortFunc(list, compareBounds)
	return list
}

// brief says that all keys have four bytes, and that none closes an interval.
func brief(elements []*rawElement) bool {
	return !slices.ContainsFunc(elements, func(e *rawElement) bool { return len(e.key) != 4 || e.closes() })
}

// byNumber sorts elements with keys of four bytes: each key and its place make up one number.
func byNumber(elements []*rawElement) []*rawElement {
	numbers := make([]uint64, len(elements))
	for i, e := range elements {
		numbers[i] = uint64(binary.BigEndian.Uint32(e.key))<<32 | uint64(uint32(i))
	}
	slices.Sort(numbers)
	sorted := make([]*rawElement, len(elements))
	for i, n := range numbers {
		sorted[i] = elements[uint32(n)]
	}
	return sorted
}

// endOf is the key of the first boundary above a key; nil when there is none.
func endOf(bounds []*rawElement, key []byte) []byte {
	for _, b := range bounds {
		if bytes.Compare(b.key, key) > 0 {
			return b.key
		}
	}
	return nil
}

// compareBounds orders boundaries by their keys. An opening one comes first among equals, so that what closes one interval
// where the next begins does not end that one.
func compareBounds(a, b *rawElement) int {
	if order := bytes.Compare(a.key, b.key); order != 0 || a.closes() == b.closes() {
		return order
	}
	if a.closes() {
		return 1
	}
	return -1
}

func (i interval) joins(next interval) bool {
	return i.notes == "" && next.notes == "" && i.end != nil && bytes.Equal(i.end, next.first)
}

// normalElements prints what a set holds, in ascending order: only what does not come and go by itself.
func normalElements(s rawSet, expressions func([]rawExpression) string) []string {
	notes := func(e *rawElement) string {
		return list(e.attrs.Without(
			unix.NFTA_SET_ELEM_USERDATA, unix.NFTA_SET_ELEM_PAD, unix.NFTA_SET_ELEM_EXPIRATION)) +
			expressions(e.expressions) + comment(e.comment)
	}
	var lines []string
	var bounds []*rawElement
	for _, e := range ascending(s.lasting()) {
		switch {
		case e.key == nil:
			lines = append(lines, "*"+notes(e))
		case s.boundaries():
			bounds = append(bounds, e)
		case e.keyEnd == nil || bytes.Equal(e.key, e.keyEnd):
			lines = append(lines, hex.EncodeToString(e.key)+notes(e))
		default:
			lines = append(lines, hex.EncodeToString(e.key)+"-"+hex.EncodeToString(e.keyEnd)+notes(e))
		}
	}
	if !slices.IsSorted(lines) {
		slices.Sort(lines)
	}
	for _, i := range intervals(bounds, notes) {
		lines = append(lines, hex.EncodeToString(i.first)+"..<"+hex.EncodeToString(i.end)+i.notes)
	}
	return lines
}

// lasting are the elements that somebody put there to stay.
func (s rawSet) lasting() []*rawElement {
	if s.is(unix.NFT_SET_EVAL) {
		return nil
	}
	list := make([]*rawElement, 0, len(s.elements))
	for i := range s.elements {
		if e := &s.elements[i]; !s.is(unix.NFT_SET_TIMEOUT) || !e.expires() {
			list = append(list, e)
		}
	}
	return list
}
