package kernel

import (
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// ruleReader is the state of reading one rule. The kernel's rules are programs for a machine with registers: a load, what
// is done to the register, a comparison. A statement is complete with the comparison.
type ruleReader struct {
	sets       map[string]rawSet
	statements []firewall.Statement
	pending    []rawExpression // since the last statement
	loads      []load
	mask       []byte // of a bitwise and on the last load
	from       []byte // of a comparison "at least", which waits for its "at most"

	premise // what the matches so far say about the packet
}

// premise is what decides which header a payload is of.
type premise struct {
	family, protocol uint64 // meta nfproto and meta l4proto, 0 when not known
}

// begin forgets what was pending.
func (r *ruleReader) begin() { r.pending, r.loads, r.mask, r.from = nil, nil, nil, nil }

// step takes one expression in; false when it has no word.
func (r *ruleReader) step(e rawExpression) bool {
	switch e.name {
	case exprMeta, exprPayload, exprCT, exprFIB:
		return r.load(e)
	case exprBitwise:
		return r.bitwise(e.attrs)
	case exprCmp:
		return r.compare(e.attrs)
	case exprRange:
		return r.ranged(e.attrs)
	case exprLookup:
		return r.lookup(e.attrs)
	case exprDynset:
		return r.add(e)
	}
	if len(r.loads) > 0 {
		return false
	}
	s, ok := readAction(e)
	if ok {
		r.finish(s)
	}
	return ok
}

// finish ends the pending expressions with what they mean.
func (r *ruleReader) finish(s ...firewall.Statement) bool {
	r.statements = append(r.statements, s...)
	r.begin()
	return true
}

// Registers: NFT_REG_1 to NFT_REG_4 have 16 bytes each and share them with NFT_REG32_00 to NFT_REG32_15 of 4 bytes each.
// The kernel names a register by the large one wherever it begins there (nft_dump_register).
func registerOffset(number uint64) int {
	switch {
	case number >= 1 && number <= 4:
		return int(number-1) * 16
	case number >= 8 && number <= 23:
		return int(number-8) * 4
	default:
		return -1
	}
}

func (r *ruleReader) load(e rawExpression) bool {
	l, ok := readLoad(e)
	if !ok || r.mask != nil || r.from != nil {
		return false
	}
	r.loads = append(r.loads, l)
	return true
}

// bitwise takes in a mask: register = register & mask, nothing else.
func (r *ruleReader) bitwise(attrs attribute.List) bool {
	mask, xor := dataValue(attrs, unix.NFTA_BITWISE_MASK), dataValue(attrs, unix.NFTA_BITWISE_XOR)
	const operation = 6 // NFTA_BITWISE_OP, 0 is mask and xor
	same := attrs.NumberOr0(unix.NFTA_BITWISE_SREG) == attrs.NumberOr0(unix.NFTA_BITWISE_DREG)
	if len(r.loads) != 1 || r.mask != nil || mask == nil || !zero(xor) || attrs.NumberOr0(operation) != 0 || !same {
		return false
	}
	r.mask = mask
	return r.at(attrs.NumberOr0(unix.NFTA_BITWISE_SREG))
}

// at says that a register is the one that was loaded last.
func (r *ruleReader) at(register uint64) bool {
	n := len(r.loads)
	return n > 0 && r.loads[n-1].register == registerOffset(register) && r.loads[n-1].register >= 0
}

// lookup is a set's: a named one's with one or more fields, an anonymous one's with its content.
func (r *ruleReader) lookup(attrs attribute.List) bool {
	set, known := r.sets[attrs.Text(unix.NFTA_LOOKUP_SET)]
	if !known || attrs.Has(unix.NFTA_LOOKUP_DREG) || r.mask != nil || r.from != nil || len(r.loads) == 0 ||
		r.loads[0].register != registerOffset(attrs.NumberOr0(unix.NFTA_LOOKUP_SREG)) {
		return false
	}
	not := attrs.NumberOr0(unix.NFTA_LOOKUP_FLAGS)&1 != 0 // NFT_LOOKUP_F_INV
	fields, ok := r.fields()
	if !ok || !r.contiguous() {
		return false
	}
	var values []firewall.Value
	if set.anonymous() {
		if values, ok = anonymousValues(set, fields); !ok {
			return false
		}
	}
	for _, f := range slices.Backward(fields) {
		r.absorb(f)
	}
	if !set.anonymous() {
		return r.finish(firewall.Lookup{Fields: fields, Not: not, Set: set.name})
	}
	return r.finish(firewall.Match{Field: fields[0], Not: not, Values: values})
}

// contiguous says that the loads lie one after the other, each in whole registers of four bytes, as the parts of a
// concatenation do.
func (r *ruleReader) contiguous() bool {
	next := r.loads[0].register
	for _, l := range r.loads {
		if l.register != next {
			return false
		}
		next += (int(l.length) + 3) &^ 3
	}
	return next > 0
}

// fields are those of the loads, each a whole field.
func (r *ruleReader) fields() ([]firewall.Field, bool) {
	var fields []firewall.Field
	for _, l := range r.loads {
		f, whole := r.whole(l)
		if !whole {
			return nil, false
		}
		fields = append(fields, f)
	}
	return fields, true
}

func dataValue(attrs attribute.List, kind uint16) []byte {
	nested, err := attrs.Nested(kind)
	if err != nil {
		return nil
	}
	return nested.Bytes(unix.NFTA_DATA_VALUE)
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
