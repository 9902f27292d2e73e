package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// Expressions that do something to the packet, or judge it, without being a verdict (nft_*.c).
const (
	exprDup      = "dup"
	exprFlow     = "flow_offload"
	exprFwd      = "fwd"
	exprMasq     = "masq"
	exprMatch    = "match"
	exprNAT      = "nat"
	exprNotrack  = "notrack"
	exprQueue    = "queue"
	exprRedir    = "redir"
	exprSynproxy = "synproxy"
	exprTarget   = "target"
	exprTProxy   = "tproxy"
)

// Attributes of linux/netfilter/nf_tables.h that golang.org/x/sys/unix lacks.
const (
	nftaTProxyRegPort = 3
	nftaFlowTableName = 1
	nftaExthdrSreg    = 7
	nftaTargetName    = 1
	nftaTargetRev     = 2
	nftaTargetInfo    = 3
)

// effect reads an expression that is a statement by itself and takes what it needs from the registers.
func (r *otherReader) effect(e rawExpression) (Step, bool) {
	switch e.name {
	case exprNAT:
		return r.nat(e.attrs), true
	case exprRedir:
		to := r.portsOf(e.attrs, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX)
		return Step{Kind: StepRedirect, To: to, Text: "redirect" + portText(" to :", to)}, true
	case exprTProxy:
		to := r.portsOf(e.attrs, nftaTProxyRegPort, nftaTProxyRegPort)
		return Step{Kind: StepTProxy, To: to, Text: "tproxy" + portText(" to :", to)}, true
	case exprFlow:
		return stepOf(StepOffload, "flow add @"+visible(e.attrs.Text(nftaFlowTableName))), true
	case exprTarget:
		return targetStep(r.family, xtName(e.attrs), xtRevision(e.attrs), e.attrs.Bytes(nftaTargetInfo)), true
	case exprMatch:
		r.xtMatch(e.attrs)
		return Step{Kind: StepPass}, true
	case exprMeta, exprCT, exprPayload, exprExthdr:
		return r.written(e)
	case exprDynset:
		return r.added(e)
	}
	if word, ok := readAction(e); ok && e.name == exprReject {
		return Step{Kind: StepReject, Text: word.String()}, true
	}
	kind, known := plainEffects()[e.name]
	text := e.name
	if kind == StepMasquerade {
		text = "masquerade"
	}
	return stepOf(kind, text), known
}

// plainEffects are those that need no more than their name.
func plainEffects() map[string]StepKind {
	return map[string]StepKind{
		exprReject: StepReject, exprQueue: StepQueue, exprFwd: StepForward, exprDup: StepDuplicate,
		exprMasq: StepMasquerade, exprNotrack: StepNotrack, exprSynproxy: StepSynproxy,
	}
}

func (r *otherReader) nat(attrs attribute.List) Step {
	step := Step{Kind: StepSNAT, Text: "snat"}
	if attrs.NumberOr0(unix.NFTA_NAT_TYPE) == unix.NFT_NAT_DNAT {
		step = Step{Kind: StepDNAT, Text: "dnat"}
	}
	step.To = r.portsOf(attrs, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX)
	step.To.Addr, _ = netip.AddrFromSlice(r.registers[attrs.NumberOr0(unix.NFTA_NAT_REG_ADDR_MIN)])
	step.Text += natText(step.To)
	return step
}

// natText is where a packet is led to, as nft writes it.
func natText(to Target) string {
	switch {
	case to.Addr.IsValid() && to.First != 0 && to.Addr.Is6():
		return " to [" + to.Addr.String() + "]" + portText(":", to)
	case to.Addr.IsValid():
		return " to " + to.Addr.String() + portText(":", to)
	default:
		return portText(" to :", to)
	}
}

func portText(before string, to Target) string {
	switch {
	case to.First == 0:
		return ""
	case to.Last > to.First:
		return fmt.Sprintf("%s%d-%d", before, to.First, to.Last)
	default:
		return fmt.Sprintf("%s%d", before, to.First)
	}
}

// portsOf reads the ports that two registers hold; zero where none is set.
func (r *otherReader) portsOf(attrs attribute.List, low, high uint16) Target {
	port := func(kind uint16) uint16 {
		if b := r.registers[attrs.NumberOr0(kind)]; attrs.Has(kind) && len(b) >= 2 {
			return binary.BigEndian.Uint16(b)
		}
		return 0
	}
	to := Target{First: port(low), Last: port(high)}
	to.Last = max(to.Last, to.First)
	return to
}

// written is a statement that writes what the packet has or what the kernel knows of it, from a register.
func (r *otherReader) written(e rawExpression) (Step, bool) {
	switch {
	case e.name == exprMeta && e.attrs.Has(unix.NFTA_META_SREG):
		return stepOf(StepPass, fmt.Sprintf("meta set (key %d)", e.attrs.NumberOr0(unix.NFTA_META_KEY))), true
	case e.name == exprCT && e.attrs.Has(unix.NFTA_CT_SREG):
		if e.attrs.NumberOr0(unix.NFTA_CT_KEY) == unix.NFT_CT_ZONE {
			return stepOf(StepZone, "ct zone set"), true
		}
		return stepOf(StepPass, fmt.Sprintf("ct set (key %d)", e.attrs.NumberOr0(unix.NFTA_CT_KEY))), true
	case e.name == exprPayload && e.attrs.Has(unix.NFTA_PAYLOAD_SREG):
		return rewriteStep(r.premise, e.attrs), true
	case e.name == exprExthdr && e.attrs.Has(nftaExthdrSreg):
		return stepOf(StepPass, "option set"), true
	default:
		return Step{}, false
	}
}

// rewriteStep is what overwrites bytes of a header: an address or a port is another matter than a hop limit.
func rewriteStep(p premise, attrs attribute.List) Step {
	l := load{base: attrs.NumberOr0(unix.NFTA_PAYLOAD_BASE), offset: attrs.NumberOr0(unix.NFTA_PAYLOAD_OFFSET)}
	length := attrs.NumberOr0(unix.NFTA_PAYLOAD_LEN)
	for _, h := range headers() {
		overlaps := h.base == l.base && l.offset < h.offset+h.length && h.offset < l.offset+length
		if !overlaps || (p.family != 0 && h.family != 0 && h.family != p.family) || h.field == firewall.IP6HopLimit ||
			h.field == firewall.ICMPType || h.field == firewall.ICMPv6Type {
			continue
		}
		return stepOf(StepRewrite, h.field.String()+" set")
	}
	return stepOf(StepPass, "header set")
}

// added is what puts something into a set. With an expression for each element it may be a rate.
func (*otherReader) added(e rawExpression) (Step, bool) {
	step := stepOf(StepPass, "add @"+visible(e.attrs.Text(unix.NFTA_DYNSET_SET_NAME)))
	for _, inner := range e.inner {
		if inner.name == exprLimit || inner.name == exprConnlimit || inner.name == exprQuota {
			step.Kind = StepRate
		}
	}
	return step, true
}

// xtMatch reads a match of xtables: what it says goes among the statements.
func (r *otherReader) xtMatch(attrs attribute.List) {
	r.forget()
	r.flush()
	r.steps = append(r.steps, matchSteps(r.family, xtName(attrs), xtRevision(attrs), attrs.Bytes(nftaTargetInfo))...)
}

// The attributes of a target and of a match of xtables have the same numbers.
func xtName(attrs attribute.List) string     { return attrs.Text(nftaTargetName) }
func xtRevision(attrs attribute.List) uint64 { return attrs.NumberOr0(nftaTargetRev) }
