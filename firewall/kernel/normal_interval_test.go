package kernel

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// boundaries makes elements out of words: "5" opens an interval at 5, "9e" ends one there, "5#x" has a comment.
func boundaries(words string) []rawElement {
	var list []rawElement
	for word := range strings.FieldsSeq(words) {
		key, comment, _ := strings.Cut(word, "#")
		e := rawElement{comment: comment}
		if stem, closes := strings.CutSuffix(key, "e"); closes {
			key, e.flags = stem, unix.NFT_SET_ELEM_INTERVAL_END
		}
		e.key = []byte{key[0] - '0'}
		list = append(list, e)
	}
	return list
}

// TestIntervals holds the ways to say the same set of keys together, and what is not the same apart.
func TestIntervals(t *testing.T) {
	tests := []struct {
		want string
		ways []string
	}{
		{"", []string{"", "0e", "5e", "0e 9e"}},
		{"03..<05", []string{"3 5e", "5e 3", "0e 3 5e", "0e 3 5e 7e", "3 4 5e", "3 4e 4 5e", "4 5e 3 4e", "4 4e 3 5e"}},
		{"03..<", []string{"3", "0e 3", "3 4 7", "3 4e 4"}},
		{"00..<", []string{"0", "0 4e 4"}},
		{"03..<04 05..<06", []string{"3 4e 5 6e", "5 6e 0e 3 4e"}},
		{"03..<04 comment \"x\" 04..<05", []string{"3#x 4e 4 5e", "3#x 4 5e"}},
		{"03..<05 comment \"x\"", []string{"3#x 5e"}},
	}
	for _, test := range tests {
		for _, way := range test.ways {
			s := rawSet{flags: unix.NFT_SET_INTERVAL, elements: boundaries(way)}
			for range 3 { // in whatever order
				got := strings.Join(normalElements(s, (&printer{}).expressions), " ")
				if got != test.want {
					t.Errorf("%q is %q, want %q", way, got, test.want)
				}
				slices.Reverse(s.elements)
				s.elements = append(s.elements[min(1, len(s.elements)):], s.elements[:min(1, len(s.elements))]...)
			}
		}
	}
}

func TestBefore(t *testing.T) {
	for _, test := range []struct{ key, want string }{
		{"\x00\x01", "\x00\x00"}, {"\x01\x00", "\x00\xff"}, {"\xff\xff", "\xff\xfe"}, {"\x00\x00", "\xff\xff"},
	} {
		if got := before([]byte(test.key), 2); string(got) != test.want {
			t.Errorf("before %x: %x", test.key, got)
		}
	}
	if got := before(nil, 2); string(got) != "\xff\xff" {
		t.Errorf("before the end: %x", got)
	}
}

// TestAscending holds that keys of any length come out in order, whichever way they are sorted.
func TestAscending(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, length := range []int{2, 4, 16} {
		elements := make([]*rawElement, 500)
		for i := range elements {
			key := make([]byte, length)
			for j := range key {
				key[j] = byte(r.IntN(256))
			}
			elements[i] = &rawElement{key: key}
		}
		sorted := ascending(elements)
		if len(sorted) != len(elements) || !slices.IsSortedFunc(sorted, compareBounds) {
			t.Errorf("keys of %d bytes are not in order", length)
		}
		backwards := slices.Clone(sorted)
		slices.Reverse(backwards)
		if !slices.Equal(ascending(backwards), sorted) || !slices.Equal(ascending(sorted), sorted) {
			t.Errorf("keys of %d bytes: a list from one end to the other comes out otherwise", length)
		}
	}
}
