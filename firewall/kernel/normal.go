package kernel

import (
	"encoding/hex"
	"fmt"
	"io"
	"sallyport/firewall/kernel/attribute"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The normal form of a table is text, one line for each chain, rule, set, element, object and flowtable, with everything
// that the kernel says of it as numbered attributes, less what changes by itself or depends on who wrote it:
//
//   - handles, ids, use counts, padding, the owner's port and the flags owner and persist;
//   - what counters, quotas and last-seen expressions have counted, and remaining times;
//   - elements that packets add (sets with the flag dynamic), and those that expire;
//   - the kernel's names of anonymous sets: their content stands in the rule instead;
//   - userdata, but for comments of rules and elements (decode_userdata.go);
//   - how a set of intervals is cut into boundaries (normal_interval.go), and the sizes of constant sets;
//   - the order of chains, sets, elements, objects: only that of rules means anything.
//
// What this package does not know stays in: an attribute of a later kernel makes a difference, never hides one.

// normalise writes the normal form.
func (t rawTable) normalise(w io.Writer) error {
	p := printer{w: w, anonymous: t.anonymousSets()}
	p.line("table flags %#x", t.flags&^(nftTableOwner|nftTablePersist))
	for _, c := range t.chains {
		p.chain(c)
	}
	for _, s := range t.sets {
		if !s.anonymous() {
			p.set(s)
		}
	}
	for _, o := range t.objects {
		p.object(o)
	}
	for _, f := range t.flowtables {
		p.line("flowtable%s", list(f.Without(
			nftaFlowtableTable, nftaFlowtableUse, nftaFlowtableHandle, nftaFlowtablePad)))
	}
	return p.err
}

// printer writes lines until one fails.
type printer struct {
	w         io.Writer
	anonymous map[string]string // the kernel's name of an anonymous set -> its content
	err       error
}

func (p *printer) line(format string, a ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", a...)
	}
}

// text writes what needs no formatting.
func (p *printer) text(words ...string) {
	for _, word := range words {
		if p.err == nil {
			_, p.err = io.WriteString(p.w, word)
		}
	}
}

func (p *printer) chain(c rawChain) {
	p.line("chain %q%s", c.name, list(c.attrs.Without(
		unix.NFTA_CHAIN_TABLE, unix.NFTA_CHAIN_NAME, unix.NFTA_CHAIN_HANDLE, unix.NFTA_CHAIN_USE,
		unix.NFTA_CHAIN_COUNTERS, unix.NFTA_CHAIN_PAD, nftaChainID, nftaChainUserdata)))
	for i, r := range c.rules {
		p.line("rule %q %d%s%s%s", c.name, i, list(r.attrs.Without(
			unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, unix.NFTA_RULE_HANDLE, unix.NFTA_RULE_EXPRESSIONS,
			unix.NFTA_RULE_POSITION, unix.NFTA_RULE_USERDATA, unix.NFTA_RULE_PAD, unix.NFTA_RULE_ID,
			nftaRulePositionID, nftaRuleChainID)),
			p.expressions(r.expressions), comment(r.comment))
	}
}

func (p *printer) object(o rawObject) {
	data := o.data
	switch o.kind {
	case nftObjectCounter:
		data = nil
	case nftObjectQuota:
		data = quota(data)
	}
	p.line("object %d %q%s data%s", o.kind, o.name, list(o.attrs.Without(
		unix.NFTA_OBJ_TABLE, unix.NFTA_OBJ_NAME, unix.NFTA_OBJ_TYPE, unix.NFTA_OBJ_DATA, unix.NFTA_OBJ_USE,
		nftaObjHandle, nftaObjPad, nftaObjUserdata)), list(data))
}

func (p *printer) set(s rawSet) {
	p.line("set %q%s%s", s.name, setDeclaration(s), p.expressions(s.expressions))
	prefix := fmt.Sprintf("element %q ", s.name)
	for _, e := range normalElements(s, p.expressions) {
		p.text(prefix, e, "\n")
	}
}

// setDeclaration is a set without its name and elements.
func setDeclaration(s rawSet) string {
	drop := []uint16{
		unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, unix.NFTA_SET_ID, unix.NFTA_SET_USERDATA, unix.NFTA_SET_PAD,
		nftaSetHandle, nftaSetType, nftaSetCount,
	}
	if s.is(unix.NFT_SET_CONSTANT) {
		// The size of a constant set is the number of its elements, and libnftables counts the boundaries of
		// intervals otherwise than others do.
		drop = append(drop, unix.NFTA_SET_DESC)
	}
	return list(s.attrs.Without(drop...))
}

// anonymousSets is the content of each anonymous set by the kernel's name of it.
func (t rawTable) anonymousSets() map[string]string {
	names := make(map[string]string)
	plain := printer{w: io.Discard}
	for _, s := range t.sets {
		if s.anonymous() {
			names[s.name] = "{" + setDeclaration(s) + plain.expressions(s.expressions) + " : " +
				strings.Join(normalElements(s, plain.expressions), ", ") + " }"
		}
	}
	return names
}

// list prints attributes as " number=value".
func list(attrs attribute.List) string {
	if len(attrs) == 0 {
		return ""
	}
	b := make([]byte, 0, 128)
	for _, a := range attrs {
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(a.Kind), 10)
		b = appendPayload(append(b, '='), a.Data)
	}
	return string(b)
}

// appendPayload prints bytes in hexadecimal, and text that ends in a NUL as text: the two cannot be taken for each other.
func appendPayload(to, b []byte) []byte {
	if n := len(b) - 1; n > 0 && b[n] == 0 && printable(b[:n]) {
		return strconv.AppendQuote(to, string(b[:n]))
	}
	return hex.AppendEncode(to, b)
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

func comment(text string) string {
	if text == "" {
		return ""
	}
	return " comment " + strconv.Quote(text)
}
