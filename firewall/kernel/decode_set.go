package kernel

import (
	"cmp"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// rawSet is a set or map with its elements as they came.
type rawSet struct {
	name        string
	flags       uint64
	attrs       attributes
	expressions []rawExpression
	elements    []rawElement
}

// rawElement is one element. In an interval set that is no concatenation an element is only a boundary: it opens an
// interval, or closes one (NFT_SET_ELEM_INTERVAL_END).
type rawElement struct {
	key         []byte // nil for the catch-all element
	keyEnd      []byte // the last key of the range, in an interval set of concatenations
	flags       uint64
	attrs       attributes
	expressions []rawExpression
	comment     string
}

func (s rawSet) is(flag uint64) bool { return s.flags&flag != 0 }

// anonymous says that the set stands inside a rule, under a name that the kernel made.
func (s rawSet) anonymous() bool { return s.is(unix.NFT_SET_ANONYMOUS) }

// boundaries says that the elements are ends of intervals.
func (s rawSet) boundaries() bool { return s.is(unix.NFT_SET_INTERVAL) && !s.is(nftSetConcat) }

// expires says that the element goes away by itself.
func (e *rawElement) expires() bool { return e.attrs.has(unix.NFTA_SET_ELEM_EXPIRATION) }

// closes says that the element is the end of an interval, which does not contain it.
func (e *rawElement) closes() bool { return e.flags&unix.NFT_SET_ELEM_INTERVAL_END != 0 }

func (t *rawTable) decodeSets(s snapshot) error {
	for _, message := range s.Sets {
		set, err := decodeSet(message)
		if err != nil {
			return fmt.Errorf("set: %w", err)
		}
		if set.elements, err = decodeElements(s.Elements[set.name]); err != nil {
			return fmt.Errorf("set %q: %w", set.name, err)
		}
		t.sets = append(t.sets, set)
	}
	slices.SortStableFunc(t.sets, func(a, b rawSet) int { return cmp.Compare(a.name, b.name) })
	return nil
}

func decodeSet(message []byte) (rawSet, error) {
	attrs, err := parseAttributes(message)
	if err != nil {
		return rawSet{}, err
	}
	set := rawSet{name: attrs.text(unix.NFTA_SET_NAME), flags: attrs.numberOr0(unix.NFTA_SET_FLAGS)}
	if set.expressions, err = decodeInner(attrs, nftaSetExpr, nftaSetExpressions, 0); err != nil {
		return rawSet{}, err
	}
	set.attrs = attrs.without(nftaSetExpr, nftaSetExpressions)
	return set, nil
}

// decodeElements reads the messages that hold a set's elements (struct nfgenmsg is off already).
func decodeElements(messages [][]byte) ([]rawElement, error) {
	lists, n := make([]attributes, len(messages)), 0
	for i, message := range messages {
		attrs, err := parseAttributes(message)
		if err == nil {
			lists[i], err = attrs.nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		}
		if err != nil {
			return nil, fmt.Errorf("elements: %w", err)
		}
		n += len(lists[i])
	}
	elements := make([]rawElement, 0, n) // growing step by step would cost most of the time of a large set
	for _, items := range lists {
		for _, item := range items {
			e, err := decodeElement(item.data)
			if err != nil {
				return nil, fmt.Errorf("element: %w", err)
			}
			elements = append(elements, e)
		}
	}
	return elements, nil
}

func decodeElement(b []byte) (rawElement, error) {
	attrs, err := parseAttributes(b)
	if err != nil {
		return rawElement{}, err
	}
	e := rawElement{flags: attrs.numberOr0(unix.NFTA_SET_ELEM_FLAGS)}
	if e.key, err = elementKey(attrs, unix.NFTA_SET_ELEM_KEY); err != nil {
		return rawElement{}, err
	}
	if e.keyEnd, err = elementKey(attrs, nftaElemKeyEnd); err != nil {
		return rawElement{}, err
	}
	if e.expressions, err = decodeInner(attrs, unix.NFTA_SET_ELEM_EXPR, nftaElemExpressions, 0); err != nil {
		return rawElement{}, err
	}
	e.comment = userdataComment(attrs.bytes(unix.NFTA_SET_ELEM_USERDATA), udataElementComment)
	e.attrs = attrs.without(unix.NFTA_SET_ELEM_KEY, nftaElemKeyEnd, unix.NFTA_SET_ELEM_FLAGS,
		unix.NFTA_SET_ELEM_EXPR, nftaElemExpressions)
	return e, nil
}

func elementKey(attrs attributes, kind uint16) ([]byte, error) {
	nested, err := attrs.nested(kind)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return nested.bytes(unix.NFTA_DATA_VALUE), nil
}
