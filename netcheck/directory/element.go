package directory

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Tags of the elements that LDAP is made of (RFC 4511 appendix B; X.690 section 8.1.2).
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagOctets      = 0x04
	tagEnumerated  = 0x0a
	tagSequence    = 0x30
	tagSet         = 0x31
	tagControls    = 0xa0
	tagReferral    = 0xa3
	tagSASLBind    = 0xa3
	tagSimpleBind  = 0x80
	tagRequestName = 0x80
	tagAnswerValue = 0x8b
)

// Tags of the operations (RFC 4511 appendix B).
const (
	opBindRequest      = 0x60
	opBindResponse     = 0x61
	opUnbindRequest    = 0x42
	opSearchRequest    = 0x63
	opSearchEntry      = 0x64
	opSearchDone       = 0x65
	opSearchReference  = 0x73
	opExtendedRequest  = 0x77
	opExtendedResponse = 0x78
)

var (
	errShort      = errors.New("an element is cut short")
	errLength     = errors.New("a length that LDAP does not allow")
	errNoInteger  = errors.New("a number that is none")
	errOtherShape = errors.New("an element stands where another must")
)

// elements is a sequence of BER elements that is read from its head. LDAP restricts BER to definite lengths (RFC 4511
// section 5.1), and has no tag of more than one octet. Nothing is copied and nothing is looked into before it is asked
// for, so that nesting costs nothing.
type elements []byte

// header reads the tag and the length of the element at the head of b, and how many octets the two take. Short is
// returned where b ends before they do.
func header(b []byte) (tag byte, length, size int, err error) {
	if len(b) < 2 {
		return 0, 0, 0, errShort
	}
	tag = b[0]
	if b[1] < 0x80 {
		return tag, int(b[1]), 2, nil
	}
	count := int(b[1] & 0x7f)
	if count == 0 || count > 4 { // indefinite, or more than any message may be
		return 0, 0, 0, errLength
	}
	if len(b) < 2+count {
		return 0, 0, 0, errShort
	}
	var wide [8]byte
	copy(wide[8-count:], b[2:2+count])
	long := binary.BigEndian.Uint64(wide[:])
	if long > maxMessage {
		return 0, 0, 0, errLength
	}
	return tag, int(long), 2 + count, nil
}

// next takes the element at the head.
func (e *elements) next() (tag byte, content elements, err error) {
	tag, length, size, err := header(*e)
	if err != nil {
		return 0, nil, err
	}
	if len(*e) < size+length {
		return 0, nil, errShort
	}
	content = (*e)[size : size+length]
	*e = (*e)[size+length:]
	return tag, content, nil
}

// take takes the element at the head, which must have that tag.
func (e *elements) take(tag byte) (elements, error) {
	got, content, err := e.next()
	if err == nil && got != tag {
		err = fmt.Errorf("%w (%#02x for %#02x)", errOtherShape, got, tag)
	}
	return content, err
}

// maybe takes the element at the head if it has that tag.
func (e *elements) maybe(tag byte) (content elements, ok bool, err error) {
	if len(*e) == 0 || (*e)[0] != tag {
		return nil, false, nil
	}
	content, err = e.take(tag)
	return content, err == nil, err
}

// integer takes a number of that tag: an INTEGER or ENUMERATED that fits 32 bits.
func (e *elements) integer(tag byte) (int, error) {
	content, err := e.take(tag)
	if err != nil {
		return 0, err
	}
	if len(content) == 0 || len(content) > 4 {
		return 0, errNoInteger
	}
	n := int32(int8(content[0])) // the sign
	for _, b := range content[1:] {
		n = n<<8 | int32(b)
	}
	return int(n), nil
}

// element is one element of the contents.
func element(tag byte, contents ...[]byte) []byte {
	length := 0
	for _, c := range contents {
		length += len(c)
	}
	out := make([]byte, 0, length+6)
	out = append(out, tag)
	switch {
	case length < 0x80:
		out = append(out, byte(length))
	case length < 1<<16:
		out = append(out, 0x82, byte(length>>8), byte(length))
	default:
		out = append(out, 0x84, byte(length>>24), byte(length>>16), byte(length>>8), byte(length))
	}
	for _, c := range contents {
		out = append(out, c...)
	}
	return out
}

func octets(s string) []byte { return element(tagOctets, []byte(s)) }

func boolean(b bool) []byte {
	if b {
		return []byte{tagBoolean, 1, 0xff} // RFC 4511 section 5.1
	}
	return []byte{tagBoolean, 1, 0}
}

// number is a number that is not negative.
func number(tag byte, n int) []byte {
	content := binary.BigEndian.AppendUint64(nil, uint64(max(n, 0)))
	for len(content) > 1 && content[0] == 0 && content[1] < 0x80 {
		content = content[1:]
	}
	return element(tag, content)
}
