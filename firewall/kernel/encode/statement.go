package encode

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// ruleBuilder collects the instructions of one rule, and knows what the instructions so far have made certain: what nft
// would not ask again is not asked again.
type ruleBuilder struct {
	rule             Rule
	nfproto, l4proto byte
}

func (b *ruleBuilder) add(exprs ...expr.Any) { b.rule.Exprs = append(b.rule.Exprs, exprs...) }

func (b *ruleBuilder) statement(s firewall.Statement) error {
	switch s := s.(type) {
	case firewall.Match:
		return b.match(s)
	case firewall.Lookup:
		return b.lookup(s)
	case firewall.FIBMissing:
		// [ fib saddr . iif oif present => reg 1 ] [ cmp eq reg 1 0 ]
		b.add(&expr.Fib{Register: register, ResultOIF: true, FlagSADDR: true, FlagIIF: true, FlagPRESENT: true},
			&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: make([]byte, 4)})
	case firewall.Limit:
		b.add(encodeLimit(s))
	case firewall.Counter:
		if s.Name == "" {
			b.add(&expr.Counter{})
		} else {
			b.add(&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: s.Name})
		}
	case firewall.Log:
		b.add(encodeLog(s))
	case firewall.Add:
		return b.addToSet(s)
	case firewall.Verdict:
		return b.verdict(s)
	case firewall.Reject:
		return b.reject(s)
	default:
		return fmt.Errorf("%w: %s", ErrNotEncodable, s)
	}
	return nil
}

// load makes certain that the packet has the field, then loads it into register 1.
func (b *ruleBuilder) load(f firewall.Field) (source, error) {
	src, err := b.require(f)
	if err == nil {
		b.add(src.load(register))
	}
	return src, err
}

// require puts the comparisons in front that make a field mean something: [ meta load nfproto ] [ cmp eq ipv4 ].
func (b *ruleBuilder) require(f firewall.Field) (source, error) {
	src, err := fieldSource(f)
	if err != nil {
		return source{}, err
	}
	for _, need := range []struct {
		key   expr.MetaKey
		want  byte
		known *byte
	}{{expr.MetaKeyNFPROTO, src.nfproto, &b.nfproto}, {expr.MetaKeyL4PROTO, src.l4proto, &b.l4proto}} {
		switch {
		case need.want == 0 || *need.known == need.want:
		case *need.known != 0:
			return source{}, fmt.Errorf("%w: %s after a match for another protocol", ErrNotEncodable, f)
		default:
			b.add(&expr.Meta{Key: need.key, Register: register},
				&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{need.want}})
			*need.known = need.want
		}
	}
	return src, nil
}

func (b *ruleBuilder) match(m firewall.Match) error {
	switch {
	case len(m.Values) == 0:
		return fmt.Errorf("%w: %s without a value", ErrNotEncodable, m.Field)
	case m.Field == firewall.TCPFlags || m.Mask != 0:
		return b.matchFlags(m)
	case m.Field == firewall.CTState:
		return b.matchState(m)
	case len(m.Values) > 1:
		return b.matchAny(m)
	}
	switch v := m.Values[0].(type) {
	case firewall.Addrs:
		if prefix, ok := v.Prefix(); ok {
			return b.matchPrefix(m, prefix.Bits(), v.From.AsSlice())
		}
	case firewall.Name:
		if stem, wild := strings.CutSuffix(string(v), "*"); wild {
			return b.compare(m, []byte(stem)) // a shorter comparison: the rest may be anything
		}
	}
	return b.matchRange(m)
}

// compare: [ load => reg 1 ] [ cmp eq reg 1 data ]
func (b *ruleBuilder) compare(m firewall.Match, data []byte) error {
	if _, err := b.load(m.Field); err != nil {
		return err
	}
	b.add(&expr.Cmp{Op: equality(m.Not), Register: register, Data: data})
	return nil
}

func equality(not bool) expr.CmpOp {
	if not {
		return expr.CmpOpNeq
	}
	return expr.CmpOpEq
}

func (b *ruleBuilder) matchRange(m firewall.Match) error {
	src, err := b.load(m.Field)
	if err != nil {
		return err
	}
	v, err := valueBounds(m.Values[0], src.key.Bytes, src.host)
	switch {
	case err != nil:
		return err
	case v.single():
		if !m.Not && b.joinPorts(v.first) {
			return nil
		}
		b.add(&expr.Cmp{Op: equality(m.Not), Register: register, Data: v.first})
		b.learn(m, v.first)
	case m.Not:
		b.add(&expr.Range{Op: expr.CmpOpNeq, Register: register, FromData: v.first, ToData: v.last})
	default:
		b.add(&expr.Cmp{Op: expr.CmpOpGte, Register: register, Data: v.first},
			&expr.Cmp{Op: expr.CmpOpLte, Register: register, Data: v.last})
	}
	return nil
}

// joinPorts makes one comparison of four bytes out of one of the source port and one of the destination port right after
// it, as nft does: the load of the latter has just been added.
func (b *ruleBuilder) joinPorts(destination []byte) bool {
	n := len(b.rule.Exprs)
	if n < 3 {
		return false
	}
	before, isLoad := b.rule.Exprs[n-3].(*expr.Payload)
	source, isCmp := b.rule.Exprs[n-2].(*expr.Cmp)
	here, isPort := b.rule.Exprs[n-1].(*expr.Payload)
	if !isLoad || !isCmp || !isPort || source.Op != expr.CmpOpEq || !portsInOrder(before, here) {
		return false
	}
	before.Len += here.Len
	source.Data = slices.Concat(source.Data, destination)
	b.rule.Exprs = b.rule.Exprs[:n-1]
	return true
}

func portsInOrder(source, destination *expr.Payload) bool {
	const base = expr.PayloadBaseTransportHeader
	return source.Base == base && source.Offset == 0 && source.Len == 2 &&
		destination.Base == base && destination.Offset == 2 && destination.Len == 2
}

// learn remembers what a comparison has made certain.
func (b *ruleBuilder) learn(m firewall.Match, data []byte) {
	switch {
	case m.Not:
	case m.Field == firewall.MetaNFProto:
		b.nfproto = data[0]
	case m.Field == firewall.MetaL4Proto:
		b.l4proto = data[0]
	}
}

// matchPrefix compares whole bytes by loading no more than those, and masks the rest otherwise.
func (b *ruleBuilder) matchPrefix(m firewall.Match, bits int, address []byte) error {
	src, err := b.require(m.Field)
	if err != nil {
		return err
	}
	if uint32(len(address)) != src.key.Bytes {
		return fmt.Errorf("%w: %s with an address of the other family", ErrNotEncodable, m.Field)
	}
	load, ok := src.load(register).(*expr.Payload)
	if !ok || bits == 0 {
		return fmt.Errorf("%w: %s", ErrNotEncodable, m)
	}
	b.add(load)
	if bits%8 == 0 {
		load.Len = uint32(bits / 8)
		b.add(&expr.Cmp{Op: equality(m.Not), Register: register, Data: address[:bits/8]})
		return nil
	}
	mask := make([]byte, len(address))
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	b.add(bitwiseAnd(mask), &expr.Cmp{Op: equality(m.Not), Register: register, Data: address})
	return nil
}

func bitwiseAnd(mask []byte) *expr.Bitwise {
	return &expr.Bitwise{
		SourceRegister: register, DestRegister: register, Len: uint32(len(mask)), Mask: mask, Xor: make([]byte, len(mask)),
	}
}

// matchState: [ ct load state ] [ bitwise reg 1 = reg 1 & bits ] [ cmp neq reg 1 0 ]
func (b *ruleBuilder) matchState(m firewall.Match) error {
	bits, ok := m.Values[0].(firewall.Number)
	if !ok || len(m.Values) > 1 || m.Not {
		return fmt.Errorf("%w: %s", ErrNotEncodable, m)
	}
	mask, err := numberBytes(uint32(bits), 4, true)
	if err != nil {
		return err
	}
	if _, err := b.load(m.Field); err != nil {
		return err
	}
	b.add(bitwiseAnd(mask), &expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)})
	return nil
}

// matchFlags: [ payload load flags ] [ bitwise reg 1 = reg 1 & mask ] [ cmp eq reg 1 bits ]
func (b *ruleBuilder) matchFlags(m firewall.Match) error {
	bits, ok := m.Values[0].(firewall.Number)
	if !ok || len(m.Values) > 1 || m.Field != firewall.TCPFlags || m.Mask == 0 || bits&^m.Mask != 0 {
		return fmt.Errorf("%w: %s", ErrNotEncodable, m)
	}
	mask, err := numberBytes(uint32(m.Mask), 1, false)
	if err != nil {
		return err
	}
	if _, err := b.load(m.Field); err != nil {
		return err
	}
	b.add(bitwiseAnd(mask), &expr.Cmp{Op: equality(m.Not), Register: register, Data: []byte{byte(bits)}})
	return nil
}

// matchAny looks the field up in an anonymous set of the values.
func (b *ruleBuilder) matchAny(m firewall.Match) error {
	src, err := b.load(m.Field)
	if err != nil {
		return err
	}
	set := firewall.Set{}
	for _, v := range m.Values {
		key, err := valueBounds(v, src.key.Bytes, src.host)
		if err != nil {
			return err
		}
		set.Interval = set.Interval || !key.single()
		set.Elements = append(set.Elements, firewall.Element{Key: []firewall.Value{v}})
	}
	out := AnonymousSet{Lookup: &expr.Lookup{SourceRegister: register, Invert: m.Not}}
	out.Spec = &nftables.Set{Anonymous: true, Constant: true, Interval: set.Interval, KeyType: src.key}
	for _, e := range set.Elements {
		elements, err := encodeElement(set, e, []nftables.SetDatatype{src.key}, []bool{src.host})
		if err != nil {
			return err
		}
		out.Elements = append(out.Elements, elements...)
	}
	b.rule.Anonymous = append(b.rule.Anonymous, out)
	b.add(out.Lookup)
	return nil
}
