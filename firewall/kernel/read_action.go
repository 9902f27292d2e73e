package kernel

import (
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// readAction reads an expression that is a statement by itself.
func readAction(e rawExpression) (firewall.Statement, bool) {
	switch e.name {
	case exprCounter:
		return firewall.Counter{}, true
	case exprObjref:
		return firewall.Counter{Name: e.attrs.Text(unix.NFTA_OBJREF_IMM_NAME)},
			e.attrs.NumberOr0(unix.NFTA_OBJREF_IMM_TYPE) == nftObjectCounter && e.attrs.Has(unix.NFTA_OBJREF_IMM_NAME)
	case exprLimit:
		return readLimit(e.attrs)
	case exprLog:
		return readLog(e.attrs)
	case exprImmediate:
		return readVerdict(e.attrs)
	case exprReject:
		return readReject(e.attrs)
	default:
		return nil, false
	}
}

func readLimit(attrs attribute.List) (firewall.Limit, bool) {
	burst := attrs.NumberOr0(unix.NFTA_LIMIT_BURST)
	l := firewall.Limit{
		Rate: attrs.NumberOr0(unix.NFTA_LIMIT_RATE), Per: firewall.Unit(attrs.NumberOr0(unix.NFTA_LIMIT_UNIT)),
		Burst: uint32(min(burst, math.MaxUint32)),
	}
	packets := attrs.NumberOr0(unix.NFTA_LIMIT_TYPE) == unix.NFT_LIMIT_PKTS
	known := l.Per == firewall.Second || l.Per == firewall.Minute || l.Per == firewall.Hour
	return l, packets && known && attrs.NumberOr0(unix.NFTA_LIMIT_FLAGS) == 0
}

func readLog(attrs attribute.List) (firewall.Log, bool) {
	l := firewall.Log{Prefix: attrs.Text(unix.NFTA_LOG_PREFIX)}
	if group, ok := attrs.Number(unix.NFTA_LOG_GROUP); ok {
		l.Group = new(uint16(min(group, math.MaxUint16)))
	} else {
		l.Level = firewall.Level(min(attrs.NumberOr0(unix.NFTA_LOG_LEVEL), math.MaxUint32))
	}
	plain := attrs.NumberOr0(unix.NFTA_LOG_SNAPLEN) == 0 && attrs.NumberOr0(unix.NFTA_LOG_QTHRESHOLD) == 0 &&
		attrs.NumberOr0(unix.NFTA_LOG_FLAGS) == 0
	return l, plain
}

// Verdict codes as the kernel has them: those of netfilter (linux/netfilter.h) and those of nf_tables (enum
// nft_verdicts), as 32 bits.
const (
	codeDrop   = 0
	codeAccept = 1
	codeJump   = math.MaxUint32 - 2 // -3
	codeGoto   = math.MaxUint32 - 3 // -4
	codeReturn = math.MaxUint32 - 4 // -5
)

func readVerdict(attrs attribute.List) (firewall.Verdict, bool) {
	data, err := attrs.Nested(unix.NFTA_IMMEDIATE_DATA)
	if err != nil || attrs.NumberOr0(unix.NFTA_IMMEDIATE_DREG) != unix.NFT_REG_VERDICT {
		return firewall.Verdict{}, false
	}
	return readVerdictData(data)
}

// readVerdictData reads a verdict, which stands in a rule or in an element of a map.
func readVerdictData(data attribute.List) (firewall.Verdict, bool) {
	verdict, err := data.Nested(unix.NFTA_DATA_VERDICT)
	code, ok := verdict.Number(unix.NFTA_VERDICT_CODE)
	if err != nil || !ok {
		return firewall.Verdict{}, false
	}
	v := firewall.Verdict{Chain: verdict.Text(unix.NFTA_VERDICT_CHAIN)}
	switch code {
	case codeDrop:
		v.Kind = firewall.Drop
	case codeAccept:
		v.Kind = firewall.Accept
	case codeJump:
		v.Kind = firewall.Jump
	case codeGoto:
		v.Kind = firewall.Goto
	case codeReturn:
		v.Kind = firewall.Return
	default:
		return firewall.Verdict{}, false
	}
	return v, true
}

func readReject(attrs attribute.List) (firewall.Reject, bool) {
	code := attrs.NumberOr0(unix.NFTA_REJECT_ICMP_CODE)
	switch kind, ok := attrs.Number(unix.NFTA_REJECT_TYPE); {
	case ok && kind == unix.NFT_REJECT_TCP_RST:
		return firewall.Reject{Kind: firewall.TCPReset}, true
	case ok && kind == unix.NFT_REJECT_ICMPX_UNREACH && code == unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED:
		return firewall.Reject{Kind: firewall.AdminProhibited}, true
	}
	return firewall.Reject{}, false
}

// add reads what puts fields into a set.
func (r *ruleReader) add(e rawExpression) bool {
	fields, ok := r.fields()
	if !ok || !plainDynset(e.attrs) || r.mask != nil || r.from != nil || len(r.loads) == 0 || !r.contiguous() ||
		r.loads[0].register != registerOffset(e.attrs.NumberOr0(unix.NFTA_DYNSET_SREG_KEY)) {
		return false
	}
	a, ok := readInner(e.inner)
	if !ok {
		return false
	}
	a.Set, a.Fields = e.attrs.Text(unix.NFTA_DYNSET_SET_NAME), fields
	for _, f := range slices.Backward(fields) {
		r.absorb(f)
	}
	return r.finish(a)
}

// plainDynset says that a dynset only adds, with the set's own timeout, and without data as for a map.
func plainDynset(attrs attribute.List) bool {
	const inverted = 1 // NFT_DYNSET_F_INV
	return attrs.NumberOr0(unix.NFTA_DYNSET_OP) == unix.NFT_DYNSET_OP_ADD && !attrs.Has(unix.NFTA_DYNSET_SREG_DATA) &&
		attrs.NumberOr0(unix.NFTA_DYNSET_TIMEOUT) == 0 && attrs.NumberOr0(unix.NFTA_DYNSET_FLAGS)&inverted == 0
}

// readInner reads what a dynset runs for each element: a limit, a counter, or nothing.
func readInner(inner []rawExpression) (firewall.Add, bool) {
	switch {
	case len(inner) == 0:
		return firewall.Add{}, true
	case len(inner) > 1:
		return firewall.Add{}, false
	case inner[0].name == exprCounter:
		return firewall.Add{Counter: true}, true
	case inner[0].name == exprLimit:
		limit, ok := readLimit(inner[0].attrs)
		return firewall.Add{Limit: &limit}, ok
	}
	return firewall.Add{}, false
}
