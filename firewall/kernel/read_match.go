package kernel

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// compare completes a match, or takes in the lower end of a range.
func (r *ruleReader) compare(attrs attribute.List) bool {
	data := dataValue(attrs, unix.NFTA_CMP_DATA)
	operation, ok := attrs.Number(unix.NFTA_CMP_OP)
	if !ok || len(data) == 0 || len(r.loads) != 1 || !r.at(attrs.NumberOr0(unix.NFTA_CMP_SREG)) {
		return false
	}
	switch operation {
	case unix.NFT_CMP_EQ, unix.NFT_CMP_NEQ:
		return r.from == nil && r.equal(data, operation == unix.NFT_CMP_NEQ)
	case unix.NFT_CMP_GTE:
		if r.from != nil || r.mask != nil {
			return false
		}
		r.from = data
		return true
	case unix.NFT_CMP_LTE:
		return r.from != nil && r.between(r.from, data, false)
	default:
		return false
	}
}

// ranged completes a match with a range: `!= 1-2` as libnftables writes it.
func (r *ruleReader) ranged(attrs attribute.List) bool {
	operation, ok := attrs.Number(unix.NFTA_RANGE_OP)
	if !ok || operation > unix.NFT_RANGE_NEQ || len(r.loads) != 1 || r.mask != nil || r.from != nil ||
		!r.at(attrs.NumberOr0(unix.NFTA_RANGE_SREG)) {
		return false
	}
	return r.between(dataValue(attrs, unix.NFTA_RANGE_FROM_DATA), dataValue(attrs, unix.NFTA_RANGE_TO_DATA),
		operation == unix.NFT_RANGE_NEQ)
}

// between is a match with a range of a whole field, both ends included.
func (r *ruleReader) between(first, last []byte, not bool) bool {
	field, whole := r.whole(r.loads[0])
	if !whole || len(first) != len(last) {
		return false
	}
	v, ok := fieldForm(field).value(first, last)
	return ok && r.match(field, not, v)
}

// equal is a comparison with one value, with a prefix, or of the bits of a state.
func (r *ruleReader) equal(data []byte, not bool) bool {
	l := r.loads[0]
	switch {
	case l.fib:
		return !not && r.mask == nil && zero(data) && r.finish(firewall.FIBMissing{})
	case l.field == firewall.CTState:
		return r.state(data, not)
	case l.field == firewall.MetaIIFName || l.field == firewall.MetaOIFName:
		return r.name(l.field, data, not)
	case l.field != 0:
		v, ok := fieldForm(l.field).value(data, data)
		return r.mask == nil && ok && r.match(l.field, not, v)
	default:
		return r.header(l, data, not)
	}
}

// state reads `ct state a,b`: a mask of bits, and not zero. All else about states has no word.
func (r *ruleReader) state(data []byte, isNot bool) bool {
	if len(r.mask) != 4 || !zero(data) {
		return false
	}
	return r.match(firewall.CTState, !isNot, firewall.Number(binary.NativeEndian.Uint32(r.mask)))
}

// name reads an interface name. One that is compared without its end stands for all that begin so.
func (r *ruleReader) name(field firewall.Field, data []byte, not bool) bool {
	if r.mask != nil {
		return false
	}
	text := attribute.Text(data)
	if len(data) < unix.IFNAMSIZ && !bytes.Contains(data, []byte{0}) {
		text += "*"
	}
	return r.match(field, not, firewall.Name(text))
}

// header reads a comparison with bytes of a header: a field, the first bytes of an address or those under a mask, or
// several fields at once, as libnftables joins neighbouring ones.
func (r *ruleReader) header(l load, data []byte, not bool) bool {
	h, ok := r.part(l)
	if !ok || uint64(len(data)) != l.length {
		return false
	}
	switch {
	case l.length > h.length:
		return !not && r.mask == nil && r.neighbours(l, data)
	case h.field == firewall.TCPFlags:
		return r.flags(data, not)
	}
	mask := r.mask
	if mask == nil {
		mask = bytes.Repeat([]byte{0xff}, len(data))
	}
	first, last, ok := prefixRange(data, mask, h.length)
	if !ok {
		return false
	}
	v, ok := fieldForm(h.field).value(first, last)
	return ok && r.match(h.field, not, v)
}

// flags reads a comparison of flags under a mask; what nft writes as `tcp flags syn`, some and not none, has no word.
func (r *ruleReader) flags(data []byte, not bool) bool {
	if len(r.mask) != 1 || r.mask[0] == 0 || data[0]&^r.mask[0] != 0 {
		return false
	}
	r.absorb(firewall.TCPFlags)
	return r.finish(firewall.Match{
		Field: firewall.TCPFlags, Not: not, Mask: firewall.Number(r.mask[0]),
		Values: []firewall.Value{firewall.Number(data[0])},
	})
}

// neighbours reads one comparison of fields that lie side by side as a match for each.
func (r *ruleReader) neighbours(l load, data []byte) bool {
	var fields []firewall.Field
	var values []firewall.Value
	for len(data) > 0 {
		h, ok := r.part(l)
		if !ok || h.length > uint64(len(data)) {
			return false
		}
		v, ok := fieldForm(h.field).value(data[:h.length], data[:h.length])
		if !ok {
			return false
		}
		fields, values = append(fields, h.field), append(values, v)
		data, l.offset = data[h.length:], l.offset+h.length
	}
	for i, f := range fields {
		r.match(f, false, values[i])
	}
	return true
}

// match completes a match with one value.
func (r *ruleReader) match(field firewall.Field, not bool, v firewall.Value) bool {
	r.absorb(field)
	if n, ok := v.(firewall.Number); ok && !not {
		switch field {
		case firewall.MetaNFProto:
			r.family = uint64(n)
		case firewall.MetaL4Proto:
			r.protocol = uint64(n)
		}
	}
	return r.finish(firewall.Match{Field: field, Not: not, Values: []firewall.Value{v}})
}

// absorb takes away the matches just before that the field implies: `ip saddr` is in the kernel a match of the family and
// one of the address.
func (r *ruleReader) absorb(field firewall.Field) {
	implies := implied(field)
	for range 2 { // a family and a protocol
		n := len(r.statements) - 1
		if n < 0 {
			return
		}
		m, ok := r.statements[n].(firewall.Match)
		if !ok || m.Not || len(m.Values) != 1 {
			return
		}
		family := m.Field == firewall.MetaNFProto && m.Values[0] == firewall.Number(implies.family)
		protocol := m.Field == firewall.MetaL4Proto && m.Values[0] == firewall.Number(implies.protocol)
		if !family && !protocol {
			return
		}
		r.statements = r.statements[:n]
	}
}
