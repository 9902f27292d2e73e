package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// attribute is one netlink attribute as the kernel sent it: its type without the flag bits, and its payload.
type attribute struct {
	kind uint16
	data []byte // shares memory with the message
}

// attributes are those of one level, in the order in which they came.
type attributes []attribute

// The layout of struct nlattr (linux/netlink.h): length and type, 16 bits each in host order, then the payload, padded to
// a multiple of four. The two upper bits of the type are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER), which nf_tables sets
// inconsistently and which say nothing that the place of an attribute does not.
const (
	attributeHeader = 4
	attributeAlign  = 4
	attributeKind   = 0x3fff
)

var errMalformed = errors.New("malformed netlink attribute")

// parseAttributes splits one level of attributes. Unlike netlink.UnmarshalAttributes it does not copy the payloads (a
// dump of 100,000 elements has half a million attributes) and refuses an attribute without a length instead of skipping
// it: what we cannot read must not compare as equal.
func parseAttributes(b []byte) (attributes, error) {
	n := 0
	for rest := b; len(rest) > 0; n++ { // counted first, so that the list is made in one piece
		var err error
		if _, rest, err = nextAttribute(rest); err != nil {
			break
		}
	}
	list := make(attributes, 0, n)
	for len(b) > 0 {
		a, rest, err := nextAttribute(b)
		if err != nil {
			return list, err
		}
		list, b = append(list, a), rest
	}
	return list, nil
}

func nextAttribute(b []byte) (attribute, []byte, error) {
	if len(b) < attributeHeader {
		return attribute{}, nil, fmt.Errorf("%w: %d bytes left, a header has %d", errMalformed, len(b), attributeHeader)
	}
	length := int(binary.NativeEndian.Uint16(b))
	if length < attributeHeader || length > len(b) {
		return attribute{}, nil, fmt.Errorf("%w: length %d of %d bytes", errMalformed, length, len(b))
	}
	padded := min((length+attributeAlign-1)&^(attributeAlign-1), len(b))
	kind := binary.NativeEndian.Uint16(b[2:]) & attributeKind
	return attribute{kind: kind, data: b[attributeHeader:length:length]}, b[padded:], nil
}

// findAttribute is the payload of the first attribute of a kind in one level, nil when there is none.
func findAttribute(b []byte, kind uint16) (found []byte, err error) {
	for len(b) > 0 {
		var a attribute
		if a, b, err = nextAttribute(b); err != nil {
			return nil, err
		}
		if a.kind == kind && found == nil {
			found = a.data
		}
	}
	return found, nil
}

// bytes is the payload of the first attribute of a kind, nil when there is none.
func (a attributes) bytes(kind uint16) []byte {
	for i := range a {
		if a[i].kind == kind {
			return a[i].data
		}
	}
	return nil
}

// has says whether there is an attribute of a kind.
func (a attributes) has(kind uint16) bool { return a.bytes(kind) != nil }

// text is a string attribute without its NUL, empty when there is none.
func (a attributes) text(kind uint16) string { return cString(a.bytes(kind)) }

// cString is the text before the first NUL.
func cString(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// number is an unsigned attribute of 1, 2, 4 or 8 bytes in network order, and false when there is none of that form.
func (a attributes) number(kind uint16) (uint64, bool) { return unsigned(a.bytes(kind)) }

func unsigned(b []byte) (uint64, bool) {
	switch len(b) {
	case 1:
		return uint64(b[0]), true
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), true
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), true
	case 8:
		return binary.BigEndian.Uint64(b), true
	default:
		return 0, false
	}
}

// numberOr0 is number where a missing attribute means 0.
func (a attributes) numberOr0(kind uint16) uint64 {
	n, _ := a.number(kind)
	return n
}

// nested is the payload of an attribute as a level of its own; empty when there is none.
func (a attributes) nested(kind uint16) (attributes, error) { return parseAttributes(a.bytes(kind)) }

// without is the list less the attributes of some kinds.
func (a attributes) without(drop ...uint16) attributes {
	var kept attributes // of most elements nothing is left
next:
	for _, one := range a {
		for _, kind := range drop {
			if one.kind == kind {
				continue next
			}
		}
		kept = append(kept, one)
	}
	return kept
}
