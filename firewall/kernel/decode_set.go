package kernel

import (
	"cmp"
	"fmt"
	"sallyport/firewall/kernel/attribute"
	"slices"

	"golang.org/x/sys/unix"
)

// rawSet is a set or map with its elements as they came.
type rawSet struct {
	name        string
	flags       uint64
	attrs       attribute.List
	expressions []rawExpression
	elements    []rawElement
	unread      bool // what it holds was not asked for
}

// rawElement is one element. In an interval set that is no concatenation an element is only a boundary: it opens an
// interval, or closes one (NFT_SET_ELEM_INTERVAL_END).
type rawElement struct {
	key         []byte // nil for the catch-all element
	keyEnd      []byte // the last key of the range, in an interval set of concatenations
	flags       uint64
	attrs       attribute.List
	expressions []rawExpression
	comment     string
}

func (s rawSet) is(flag uint64) bool { return s.flags&flag != 0 }

// anonymous says that the set stands inside a rule, under a name that the kernel made.
func (s rawSet) anonymous() bool { return s.is(unix.NFT_SET_ANONYMOUS) }

// boundaries says that the elements are ends of intervals.
func (s rawSet) boundaries() bool { return s.is(unix.NFT_SET_INTERVAL) && !s.is(nftSetConcat) }

// expires says that the element goes away by itself.
func (e *rawElement) expires() bool { return e.attrs.Has(unix.NFTA_SET_ELEM_EXPIRATION) }

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
		set.unread = s.Unread[set.name]
		t.sets = append(t.sets, set)
	}
	slices.SortStableFunc(t.sets, func(a, b rawSet) int { return cmp.Compare(a.name, b.name) })
	return nil
}

func decodeSet(message []byte) (rawSet, error) {
	attrs, err := attribute.Parse(message)
	if err != nil {
		return rawSet{}, err
	}
	set := rawSet{name: attrs.Text(unix.NFTA_SET_NAME), flags: attrs.NumberOr0(unix.NFTA_SET_FLAGS)}
	if set.expressions, err = decodeInner(attrs, nftaSetExpr, nftaSetExpressions, 0); err != nil {
		return rawSet{}, err
	}
	set.attrs = attrs.Without(nftaSetExpr, nftaSetExpressions)
	return set, nil
}

// decodeElements reads the messages that hold a set's elements (struct nfgenmsg is off already). They are counted first:
// growing a list step by step would cost most of the time of a large set.
func decodeElements(messages [][]byte) ([]rawElement, error) {
	lists, n := make([][]byte, len(messages)), 0
	for i, message := range messages {
		list, err := attribute.Find(message, unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		if err != nil {
			return nil, fmt.Errorf("elements: %w", err)
		}
		for rest := list; len(rest) > 0; n++ {
			if _, rest, err = attribute.Next(rest); err != nil {
				return nil, fmt.Errorf("elements: %w", err)
			}
		}
		lists[i] = list
	}
	elements := make([]rawElement, 0, n)
	for _, list := range lists {
		for len(list) > 0 {
			item, rest, err := attribute.Next(list)
			if err != nil {
				return nil, fmt.Errorf("elements: %w", err)
			}
			e, err := decodeElement(item.Data)
			if err != nil {
				return nil, fmt.Errorf("element: %w", err)
			}
			elements, list = append(elements, e), rest
		}
	}
	return elements, nil
}

// decodeElement reads an element without a list of its attributes: most have nothing but a key.
func decodeElement(b []byte) (e rawElement, err error) {
	for len(b) > 0 {
		var a attribute.Attribute
		if a, b, err = attribute.Next(b); err != nil {
			return rawElement{}, err
		}
		switch a.Kind {
		case unix.NFTA_SET_ELEM_KEY:
			e.key, err = elementKey(a.Data)
		case nftaElemKeyEnd:
			e.keyEnd, err = elementKey(a.Data)
		case unix.NFTA_SET_ELEM_FLAGS:
			e.flags, _ = attribute.Number(a.Data)
		case unix.NFTA_SET_ELEM_EXPR:
			var one rawExpression
			one, err = decodeExpression(a.Data, 0)
			e.expressions = []rawExpression{one}
		case nftaElemExpressions:
			e.expressions, err = decodeExpressionList(a.Data, 0)
		case unix.NFTA_SET_ELEM_USERDATA:
			e.comment = userdataComment(a.Data, udataElementComment)
			e.attrs = append(e.attrs, a)
		default:
			e.attrs = append(e.attrs, a)
		}
		if err != nil {
			return rawElement{}, err
		}
	}
	return e, nil
}

func elementKey(b []byte) ([]byte, error) {
	key, err := attribute.Find(b, unix.NFTA_DATA_VALUE)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return key, nil
}
