package attribute

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Attribute is one netlink attribute as the kernel sent it: its type without the flag bits, and its payload.
type Attribute struct {
	Kind uint16
	Data []byte // shares memory with the message
}

// List is those of one level, in the order in which they came.
type List []Attribute

// Align is what attributes are padded to a multiple of (struct nlattr, linux/netlink.h): length and type, 16 bits each in
// host order, then the payload, then padding.
const Align = 4

const (
	headerSize = 4
	// kindMask leaves out the two upper bits of the type. They are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER), which
	// nf_tables sets inconsistently and which say nothing that the place of an attribute does not.
	kindMask = 0x3fff
)

// ErrMalformed says that bytes are no attributes.
var ErrMalformed = errors.New("malformed netlink attribute")

// Parse splits one level of attributes. Unlike netlink.UnmarshalAttributes it does not copy the payloads (a
// dump of 100,000 elements has half a million attributes) and refuses an attribute without a length instead of skipping
// it: what we cannot read must not compare as equal.
func Parse(b []byte) (List, error) {
	n := 0
	for rest := b; len(rest) > 0; n++ { // counted first, so that the list is made in one piece
		var err error
		if _, rest, err = Next(rest); err != nil {
			break
		}
	}
	list := make(List, 0, n)
	for len(b) > 0 {
		a, rest, err := Next(b)
		if err != nil {
			return list, err
		}
		list, b = append(list, a), rest
	}
	return list, nil
}

// Next takes the first attribute off one level.
func Next(b []byte) (Attribute, []byte, error) {
	if len(b) < headerSize {
		return Attribute{}, nil, fmt.Errorf("%w: %d bytes left, a header has %d", ErrMalformed, len(b), headerSize)
	}
	length := int(binary.NativeEndian.Uint16(b))
	if length < headerSize || length > len(b) {
		return Attribute{}, nil, fmt.Errorf("%w: length %d of %d bytes", ErrMalformed, length, len(b))
	}
	padded := min((length+Align-1)&^(Align-1), len(b))
	kind := binary.NativeEndian.Uint16(b[2:]) & kindMask
	return Attribute{Kind: kind, Data: b[headerSize:length:length]}, b[padded:], nil
}

// Find is the payload of the first attribute of a kind in one level, nil when there is none.
func Find(b []byte, kind uint16) (found []byte, err error) {
	for len(b) > 0 {
		var a Attribute
		if a, b, err = Next(b); err != nil {
			return nil, err
		}
		if a.Kind == kind && found == nil {
			found = a.Data
		}
	}
	return found, nil
}

// Bytes is the payload of the first attribute of a kind, nil when there is none.
func (a List) Bytes(kind uint16) []byte {
	for i := range a {
		if a[i].Kind == kind {
			return a[i].Data
		}
	}
	return nil
}

// Has says whether there is an attribute of a kind.
func (a List) Has(kind uint16) bool { return a.Bytes(kind) != nil }

// Text is a string attribute without its NUL, empty when there is none.
func (a List) Text(kind uint16) string { return Text(a.Bytes(kind)) }

// Text is the text before the first NUL.
func Text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// Number is an unsigned attribute of 1, 2, 4 or 8 bytes in network order, and false when there is none of that form.
func (a List) Number(kind uint16) (uint64, bool) { return Number(a.Bytes(kind)) }

// Number is a payload of 1, 2, 4 or 8 bytes in network order, and false for one of another length.
func Number(b []byte) (uint64, bool) {
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

// NumberOr0 is Number where a missing attribute means 0.
func (a List) NumberOr0(kind uint16) uint64 {
	n, _ := a.Number(kind)
	return n
}

// Nested is the payload of an attribute as a level of its own; empty when there is none.
func (a List) Nested(kind uint16) (List, error) { return Parse(a.Bytes(kind)) }

// Without is the list less the attributes of some kinds.
func (a List) Without(drop ...uint16) List {
	var kept List // of most elements nothing is left
next:
	for _, one := range a {
		for _, kind := range drop {
			if one.Kind == kind {
				continue next
			}
		}
		kept = append(kept, one)
	}
	return kept
}

// Append appends an attribute with a payload of at most 65,531 bytes, padded. It is nested where the payload is
// attributes: the flag that says so is not asked for by nf_tables, which parses without strictness.
func Append(b []byte, kind uint16, payload []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(headerSize+len(payload)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), payload...)
	for len(b)%Align != 0 {
		b = append(b, 0)
	}
	return b
}

// Encode is Append to nothing.
func Encode(kind uint16, payload []byte) []byte { return Append(nil, kind, payload) }

// String is an attribute with a text that ends in a NUL. Names of tables and sets have at most 255 bytes.
func String(kind uint16, text string) []byte {
	return Encode(kind, append([]byte(text), 0))
}
