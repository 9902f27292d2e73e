package kernel

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/census"
)

// otherReader reads a rule of others. What package firewall has a word for is read by the ruleReader; of all else at
// least what kind of thing it is must be known.
type otherReader struct {
	ruleReader
	family    byte
	steps     []census.Step
	odd       bool              // pending holds a load without a word
	registers map[uint64][]byte // what immediates put there
}

// Expressions that put something into a register and do nothing else, besides those of the vocabulary.
const (
	exprByteorder = "byteorder"
	exprExthdr    = "exthdr"
	exprHash      = "hash"
	exprInner     = "inner"
	exprNumgen    = "numgen"
	exprOSF       = "osf"
	exprRT        = "rt"
	exprSocket    = "socket"
	exprTunnel    = "tunnel"
	exprXFRM      = "xfrm"
	exprConnlimit = "connlimit"
)

// readSteps reads the expressions of a rule in a table of a family.
func readSteps(family byte, expressions []rawExpression, sets map[string]rawSet) []census.Step {
	r := otherReader{family: family, registers: make(map[uint64][]byte)}
	r.sets = sets
	switch family {
	case unix.NFPROTO_IPV4:
		r.premise.family = ipv4
	case unix.NFPROTO_IPV6:
		r.premise.family = ipv6
	}
	for _, e := range expressions {
		r.read(e)
	}
	r.flush()
	return r.steps
}

// read takes one expression in.
func (r *otherReader) read(e rawExpression) {
	if step, ok := r.effect(e); ok {
		r.forget()
		r.flush()
		r.steps = append(r.steps, step)
		return
	}
	r.pending = append(r.pending, e)
	switch e.name {
	case exprImmediate:
		if e.attrs.NumberOr0(unix.NFTA_IMMEDIATE_DREG) == unix.NFT_REG_VERDICT {
			r.word(e)
			return
		}
		r.registers[e.attrs.NumberOr0(unix.NFTA_IMMEDIATE_DREG)] = dataValue(e.attrs, unix.NFTA_IMMEDIATE_DATA)
		r.pending = r.pending[:len(r.pending)-1]
	case exprMeta, exprPayload, exprCT, exprFIB, exprBitwise:
		if !r.odd && !r.step(e) {
			r.odd = true
		}
	case exprByteorder, exprExthdr, exprHash, exprInner, exprNumgen, exprOSF, exprRT, exprSocket, exprTunnel, exprXFRM:
		r.odd = true
	case exprLookup:
		r.lookedUp(e)
	default:
		r.word(e)
	}
}

// word is an expression that completes something: in the vocabulary, or a condition without a word.
func (r *otherReader) word(e rawExpression) {
	if !r.odd && r.step(e) {
		return
	}
	r.flush()
	step, known := r.oddCondition(e)
	if !known {
		step = census.StepOf(census.StepCondition, r.pendingText())
	}
	r.steps = append(r.steps, step)
	r.forget()
}

// forget drops what was loaded and not compared.
func (r *otherReader) forget() {
	r.begin()
	r.odd = false
}

// flush takes over the statements that the vocabulary had words for.
func (r *otherReader) flush() {
	for _, s := range r.statements {
		r.steps = append(r.steps, vocabularyStep(s))
	}
	r.statements = nil
}

func vocabularyStep(s firewall.Statement) census.Step {
	switch word := s.(type) {
	case firewall.Match, firewall.Lookup, firewall.FIBMissing:
		return census.Worded(census.StepMatch, s)
	case firewall.Verdict:
		return census.Worded(census.StepVerdict, s)
	case firewall.Limit:
		return census.Worded(census.StepRate, s)
	case firewall.Counter, firewall.Log:
		return census.Worded(census.StepPass, s)
	case firewall.Add:
		step := census.Worded(census.StepPass, s)
		if word.Limit != nil {
			step.Kind = census.StepRate
		}
		return step
	default:
		return census.Worded(census.StepUnknown, s)
	}
}

// pendingText names the expressions that are pending: that is as near to words as it gets.
func (r *otherReader) pendingText() string {
	var names []string
	for _, e := range r.pending {
		names = append(names, census.Visible(e.name))
	}
	return "[" + strings.Join(names, " ") + "]"
}

// oddCondition reads the conditions that the vocabulary has no word for and that are worth telling apart.
func (r *otherReader) oddCondition(e rawExpression) (census.Step, bool) {
	switch e.name {
	case exprLimit, exprConnlimit, exprQuota:
		return census.StepOf(census.StepRate, e.name), true
	case exprObjref:
		name := census.Visible(e.attrs.Text(unix.NFTA_OBJREF_IMM_NAME))
		if e.attrs.NumberOr0(unix.NFTA_OBJREF_IMM_TYPE) == nftObjectLimit {
			return census.StepOf(census.StepRate, "limit name "+name), true
		}
		return census.StepOf(census.StepPass, "object "+name), true
	case exprLast, exprCounter:
		return census.StepOf(census.StepPass, e.name), true
	case exprLog:
		return census.StepOf(census.StepPass, "log"), true
	case exprCmp:
		return r.oddComparison(e)
	}
	return census.Step{}, false
}

// nftObjectLimit is NFT_OBJECT_LIMIT.
const nftObjectLimit = 4

func (r *otherReader) oddComparison(e rawExpression) (census.Step, bool) {
	if len(r.pending) < 2 {
		return census.Step{}, false
	}
	from, data := r.pending[0], dataValue(e.attrs, unix.NFTA_CMP_DATA)
	operation := e.attrs.NumberOr0(unix.NFTA_CMP_OP)
	not := operation == unix.NFT_CMP_NEQ
	if not || operation == unix.NFT_CMP_EQ {
		switch {
		case len(r.pending) == 2 && from.name == exprFIB:
			return fibStep(from.attrs, data, not)
		case len(r.pending) == 2 && from.name == exprMeta &&
			from.attrs.NumberOr0(unix.NFTA_META_KEY) == unix.NFT_META_PROTOCOL:
			return r.ethertype(data, not)
		}
	}
	if from.name == exprCT && from.attrs.NumberOr0(unix.NFTA_CT_KEY) == unix.NFT_CT_STATUS && not {
		return statusStep(r.pending, data)
	}
	if from.name == exprNumgen {
		return census.StepOf(census.StepRate, "numgen"), true
	}
	return census.Step{}, false
}

// statusStep reads `ct status dnat` and `ct status snat`: bits IPS_SRC_NAT and IPS_DST_NAT (nf_conntrack_common.h), and not
// zero.
func statusStep(pending []rawExpression, data []byte) (census.Step, bool) {
	const translated = 1<<4 | 1<<5
	if len(pending) != 3 || pending[1].name != exprBitwise || !zero(data) {
		return census.Step{}, false
	}
	mask, ok := formHost.number(dataValue(pending[1].attrs, unix.NFTA_BITWISE_MASK))
	if !ok || mask == 0 || mask&^translated != 0 {
		return census.Step{}, false
	}
	return census.StepOf(census.StepTranslated, "ct status snat,dnat"), true
}

// fibStep reads `fib daddr type local`, and `fib saddr . iif oif missing` with a mark besides.
func fibStep(attrs attribute.List, data []byte, not bool) (census.Step, bool) {
	number, ok := formHost.number(data)
	flags := attrs.NumberOr0(unix.NFTA_FIB_FLAGS)
	const back = unix.NFTA_FIB_F_SADDR | unix.NFTA_FIB_F_IIF
	if zero(data) && !not && flags&back == back && attrs.NumberOr0(unix.NFTA_FIB_RESULT) == unix.NFT_FIB_RESULT_OIF {
		return census.Worded(census.StepMatch, firewall.FIBMissing{}), true
	}
	if !ok || number != unix.RTN_LOCAL || flags&unix.NFTA_FIB_F_DADDR == 0 ||
		attrs.NumberOr0(unix.NFTA_FIB_RESULT) != unix.NFT_FIB_RESULT_ADDRTYPE {
		return census.Step{}, false
	}
	return census.LocalStep(not), true
}

// ethertype reads `meta protocol ip`, which bridge and netdev have in the place of `meta nfproto`.
func (r *otherReader) ethertype(data []byte, not bool) (census.Step, bool) {
	number, ok := formNumber.number(data)
	family := map[uint32]uint64{unix.ETH_P_IP: ipv4, unix.ETH_P_IPV6: ipv6}[number]
	if !ok || family == 0 {
		return census.Step{}, false
	}
	if !not {
		r.premise.family = family
	}
	m := firewall.Match{Field: firewall.MetaNFProto, Not: not, Values: []firewall.Value{firewall.Number(family)}}
	return census.Worded(census.StepMatch, m), true
}

// lookedUp is a lookup in a set, a verdict map, or a map whose value goes on in a register.
func (r *otherReader) lookedUp(e rawExpression) {
	if !e.attrs.Has(unix.NFTA_LOOKUP_DREG) {
		r.word(e)
		return
	}
	if e.attrs.NumberOr0(unix.NFTA_LOOKUP_DREG) != unix.NFT_REG_VERDICT {
		r.odd = true
		return
	}
	fields, known := r.fields()
	if r.odd || !known || r.mask != nil || r.from != nil {
		fields = nil
	}
	for _, f := range fields {
		r.absorb(f)
	}
	r.flush()
	set := r.sets[e.attrs.Text(unix.NFTA_LOOKUP_SET)]
	ways := branches(set, fields)
	text := "@" + census.Visible(set.name)
	if set.anonymous() {
		text = waysText(ways)
	}
	step := census.StepOf(census.StepBranch, keyText(fields)+"vmap "+text)
	step.Branches = ways
	r.steps = append(r.steps, step)
	r.forget()
}

// maxBranches bounds the ways of one verdict map that are told.
const maxBranches = 1 << 14

// branches reads a verdict map. A way whose key has no word has no values.
func branches(set rawSet, fields []firewall.Field) []census.Branch {
	var all []census.Branch
	types := keyTypes(set.attrs.NumberOr0(unix.NFTA_SET_KEY_TYPE))
	elements := slices.Clone(set.elements)
	slices.SortStableFunc(elements, func(a, b rawElement) int { return bytes.Compare(a.key, b.key) })
	for i := range elements {
		e := &elements[i]
		data, err := e.attrs.Nested(unix.NFTA_SET_ELEM_DATA)
		if err != nil || len(all) == maxBranches {
			break
		}
		v, ok := readVerdictData(data)
		if !ok {
			continue // the end of an interval has no verdict
		}
		v.Chain = census.Visible(v.Chain)
		b := census.Branch{Verdict: v}
		last := e.keyEnd
		if last == nil {
			last = e.key
		}
		if values, ok := elementValues(types, e.key, last, set.is(unix.NFT_SET_INTERVAL)); ok && !set.boundaries() &&
			len(values) == len(fields) {
			b.Fields, b.Values = fields, values
		}
		all = append(all, b)
	}
	return all
}

// keyText is the key of a map in a rule.
func keyText(fields []firewall.Field) string {
	var text string
	for i, f := range fields {
		if i > 0 {
			text += ". "
		}
		text += f.String() + " "
	}
	return text
}

// waysText is a verdict map that stands in a rule, as nft writes it.
func waysText(ways []census.Branch) string {
	var parts []string
	for _, w := range ways {
		var key []string
		for i, f := range w.Fields {
			text := firewall.Match{Field: f, Values: w.Values[i : i+1]}.String()
			key = append(key, strings.TrimPrefix(text, f.String()+" "))
		}
		if len(key) == 0 {
			key = []string{"..."}
		}
		parts = append(parts, strings.Join(key, " . ")+" : "+w.Verdict.String())
	}
	quoted := strconv.QuoteToASCII("{ " + strings.Join(parts, ", ") + " }")
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
