package encode

import (
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// lookup: [ load => reg 1 ] ... [ lookup reg 1 set s ]
func (b *ruleBuilder) lookup(l firewall.Lookup) error {
	if err := b.concat(l.Fields); err != nil {
		return err
	}
	b.add(&expr.Lookup{SourceRegister: register, SetName: l.Set, Invert: l.Not})
	return nil
}

// concat loads the fields side by side: the first into register 1, each further one into the next free four bytes.
func (b *ruleBuilder) concat(fields []firewall.Field) error {
	sources := make([]source, len(fields))
	for i, f := range fields { // all of them first: what they require is compared in register 1
		var err error
		if sources[i], err = b.require(f); err != nil {
			return err
		}
	}
	reg, offset := uint32(register), uint32(0)
	for _, src := range sources {
		if offset > 0 {
			reg = register32_0 + offset/4
		}
		b.add(src.load(reg))
		offset += (src.key.Bytes + 3) &^ 3
	}
	if offset == 0 || offset > 64 {
		return fmt.Errorf("%w: a key of %d bytes", ErrNotEncodable, offset)
	}
	return nil
}

// addToSet: [ load => reg 1 ] ... [ dynset add reg_key 1 set s expr [ limit ] ]
func (b *ruleBuilder) addToSet(a firewall.Add) error {
	if err := b.concat(a.Fields); err != nil {
		return err
	}
	set := &expr.Dynset{SrcRegKey: register, SetName: a.Set, Operation: unix.NFT_DYNSET_OP_ADD}
	switch {
	case a.Limit != nil && a.Counter: // nft 1.0.6 has no words for it
		return fmt.Errorf("%w: %s", ErrNotEncodable, a)
	case a.Limit != nil:
		set.Exprs = []expr.Any{encodeLimit(*a.Limit)}
	case a.Counter:
		set.Exprs = []expr.Any{&expr.Counter{}}
	}
	b.add(set)
	return nil
}

// reject: [ reject type 1 code 0 ] or [ reject type 2 code 3 ]
func (b *ruleBuilder) reject(r firewall.Reject) error {
	switch r.Kind {
	case firewall.TCPReset:
		if b.l4proto != unix.IPPROTO_TCP {
			return fmt.Errorf("%w: %s of what may not be TCP", ErrNotEncodable, r)
		}
		b.add(&expr.Reject{Type: unix.NFT_REJECT_TCP_RST})
	case firewall.AdminProhibited:
		b.add(&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED})
	default:
		return fmt.Errorf("%w: %s", ErrNotEncodable, r)
	}
	return nil
}

func encodeLimit(l firewall.Limit) *expr.Limit {
	return &expr.Limit{Type: expr.LimitTypePkts, Rate: l.Rate, Unit: expr.LimitTime(l.Per), Burst: l.Burst}
}

func encodeLog(l firewall.Log) *expr.Log {
	out := &expr.Log{}
	if l.Prefix != "" {
		out.Key |= 1 << unix.NFTA_LOG_PREFIX
		out.Data = []byte(l.Prefix)
	}
	if l.Group != nil {
		out.Key |= 1 << unix.NFTA_LOG_GROUP
		out.Group = *l.Group
		return out
	}
	out.Key |= 1 << unix.NFTA_LOG_LEVEL
	out.Level = expr.LogLevel(l.Level)
	return out
}

func (b *ruleBuilder) verdict(v firewall.Verdict) error {
	kinds := map[firewall.VerdictKind]expr.VerdictKind{
		firewall.Accept: expr.VerdictAccept, firewall.Drop: expr.VerdictDrop, firewall.Jump: expr.VerdictJump,
		firewall.Goto: expr.VerdictGoto, firewall.Return: expr.VerdictReturn,
	}
	kind, ok := kinds[v.Kind]
	if !ok {
		return fmt.Errorf("%w: %s", ErrNotEncodable, v)
	}
	b.add(&expr.Verdict{Kind: kind, Chain: v.Chain})
	return nil
}
