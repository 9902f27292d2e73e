package kernel

import (
	"encoding/binary"
	"sallyport/firewall/kernel/attribute"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// expressions prints each as " [name attributes]".
func (p *printer) expressions(all []rawExpression) string {
	var b strings.Builder
	for _, e := range all {
		b.WriteString(" [")
		b.WriteString(strconv.Quote(e.name))
		b.WriteString(p.operands(e))
		b.WriteString(p.expressions(e.inner))
		b.WriteByte(']')
	}
	return b.String()
}

// operands prints what an expression was told, not what it has seen since.
func (p *printer) operands(e rawExpression) string {
	switch e.name {
	case exprCounter, exprLast:
		return ""
	case exprQuota:
		return list(quota(e.attrs))
	case exprLimit:
		return list(e.attrs.Without(unix.NFTA_LIMIT_PAD))
	case exprLookup:
		return p.reference(e.attrs, unix.NFTA_LOOKUP_SET, unix.NFTA_LOOKUP_SET_ID)
	case exprDynset:
		return p.reference(e.attrs.Without(unix.NFTA_DYNSET_PAD), unix.NFTA_DYNSET_SET_NAME, unix.NFTA_DYNSET_SET_ID)
	case exprObjref:
		return p.reference(e.attrs, unix.NFTA_OBJREF_SET_NAME, unix.NFTA_OBJREF_SET_ID)
	default:
		return list(e.attrs)
	}
}

// reference prints attributes of which one names a set: an anonymous one by its content.
func (p *printer) reference(attrs attribute.List, name, id uint16) string {
	rest := list(attrs.Without(name, id))
	if !attrs.Has(name) {
		return rest
	}
	if content, ok := p.anonymous[attrs.Text(name)]; ok {
		return " set " + content + rest
	}
	return " set " + strconv.Quote(attrs.Text(name)) + rest
}

// quota is a quota without what it has used up.
func quota(attrs attribute.List) attribute.List {
	kept := attrs.Without(nftaQuotaConsumed, nftaQuotaPad)
	for i, a := range kept {
		if a.Kind == nftaQuotaFlags && len(a.Data) == 4 {
			flags := binary.BigEndian.Uint32(a.Data) &^ nftQuotaDepleted
			kept[i].Data = binary.BigEndian.AppendUint32(nil, flags)
		}
	}
	return kept
}
