package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/census"
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
func (r *otherReader) effect(e rawExpression) (census.Step, bool) {
	switch e.name {
	case exprNAT:
		return r.nat(e.attrs), true
	case exprRedir:
		to := r.portsOf(e.attrs, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFTA_REDIR_REG_PROTO_MAX)
		return census.Step{Kind: census.StepRedirect, To: to, Text: "redirect" + to.Text()}, true
	case exprTProxy:
		to := r.portsOf(e.attrs, nftaTProxyRegPort, nftaTProxyRegPort)
		return census.Step{Kind: census.StepTProxy, To: to, Text: "tproxy" + to.Text()}, true
	case exprFlow:
		return census.StepOf(census.StepOffload, "flow add @"+census.Visible(e.attrs.Text(nftaFlowTableName))), true
	case exprTarget:
		return census.XTTarget(r.family, xtName(e.attrs), xtRevision(e.attrs), e.attrs.Bytes(nftaTargetInfo)), true
	case exprMatch:
		r.xtMatch(e.attrs)
		return census.Step{Kind: census.StepPass}, true
	case exprMeta, exprCT, exprPayload, exprExthdr:
		return r.written(e)
	case exprDynset:
		return r.added(e)
	}
	if word, ok := readAction(e); ok && e.name == exprReject {
		return census.Step{Kind: census.StepReject, Text: word.String()}, true
	}
	kind, known := plainEffects()[e.name]
	text := e.name
	if kind == census.StepMasquerade {
		text = "masquerade"
	}
	return census.StepOf(kind, text), known
}

// plainEffects are those that need no more than their name.
func plainEffects() map[string]census.StepKind {
	return map[string]census.StepKind{
		exprReject: census.StepReject, exprQueue: census.StepQueue, exprFwd: census.StepForward,
		exprDup: census.StepDuplicate, exprMasq: census.StepMasquerade, exprNotrack: census.StepNotrack,
		exprSynproxy: census.StepSynproxy,
	}
}

func (r *otherReader) nat(attrs attribute.List) census.Step {
	step := census.Step{Kind: census.StepSNAT, Text: "snat"}
	if attrs.NumberOr0(unix.NFTA_NAT_TYPE) == unix.NFT_NAT_DNAT {
		step = census.Step{Kind: census.StepDNAT, Text: "dnat"}
	}
	step.To = r.portsOf(attrs, unix.NFTA_NAT_REG_PROTO_MIN, unix.NFTA_NAT_REG_PROTO_MAX)
	step.To.Addr, _ = netip.AddrFromSlice(r.registers[attrs.NumberOr0(unix.NFTA_NAT_REG_ADDR_MIN)])
	step.Text += step.To.Text()
	return step
}

// portsOf reads the ports that two registers hold; zero where none is set.
func (r *otherReader) portsOf(attrs attribute.List, low, high uint16) census.Target {
	port := func(kind uint16) uint16 {
		if b := r.registers[attrs.NumberOr0(kind)]; attrs.Has(kind) && len(b) >= 2 {
			return binary.BigEndian.Uint16(b)
		}
		return 0
	}
	to := census.Target{First: port(low), Last: port(high)}
	to.Last = max(to.Last, to.First)
	return to
}

// written is a statement that writes what the packet has or what the kernel knows of it, from a register.
func (r *otherReader) written(e rawExpression) (census.Step, bool) {
	switch {
	case e.name == exprMeta && e.attrs.Has(unix.NFTA_META_SREG):
		return census.StepOf(census.StepPass, fmt.Sprintf("meta set (key %d)", e.attrs.NumberOr0(unix.NFTA_META_KEY))), true
	case e.name == exprCT && e.attrs.Has(unix.NFTA_CT_SREG):
		if e.attrs.NumberOr0(unix.NFTA_CT_KEY) == unix.NFT_CT_ZONE {
			return census.StepOf(census.StepZone, "ct zone set"), true
		}
		return census.StepOf(census.StepPass, fmt.Sprintf("ct set (key %d)", e.attrs.NumberOr0(unix.NFTA_CT_KEY))), true
	case e.name == exprPayload && e.attrs.Has(unix.NFTA_PAYLOAD_SREG):
		return rewriteStep(r.premise, e.attrs), true
	case e.name == exprExthdr && e.attrs.Has(nftaExthdrSreg):
		return census.StepOf(census.StepPass, "option set"), true
	default:
		return census.Step{}, false
	}
}

// rewriteStep is what overwrites bytes of a header: an address or a port is another matter than a hop limit.
func rewriteStep(p premise, attrs attribute.List) census.Step {
	l := load{base: attrs.NumberOr0(unix.NFTA_PAYLOAD_BASE), offset: attrs.NumberOr0(unix.NFTA_PAYLOAD_OFFSET)}
	length := attrs.NumberOr0(unix.NFTA_PAYLOAD_LEN)
	for _, h := range headers() {
		overlaps := h.base == l.base && l.offset < h.offset+h.length && h.offset < l.offset+length
		if !overlaps || (p.family != 0 && h.family != 0 && h.family != p.family) || h.field == firewall.IP6HopLimit ||
			h.field == firewall.ICMPType || h.field == firewall.ICMPv6Type {
			continue
		}
		return census.StepOf(census.StepRewrite, h.field.String()+" set")
	}
	return census.StepOf(census.StepPass, "header set")
}

// added is what puts something into a set. With an expression for each element it may be a rate.
func (*otherReader) added(e rawExpression) (census.Step, bool) {
	step := census.StepOf(census.StepPass, "add @"+census.Visible(e.attrs.Text(unix.NFTA_DYNSET_SET_NAME)))
	for _, inner := range e.inner {
		if inner.name == exprLimit || inner.name == exprConnlimit || inner.name == exprQuota {
			step.Kind = census.StepRate
		}
	}
	return step, true
}

// xtMatch reads a match of xtables: what it says goes among the statements.
func (r *otherReader) xtMatch(attrs attribute.List) {
	r.forget()
	r.flush()
	r.steps = append(r.steps, census.XTMatch(r.family, xtName(attrs), xtRevision(attrs), attrs.Bytes(nftaTargetInfo))...)
}

// The attributes of a target and of a match of xtables have the same numbers.
func xtName(attrs attribute.List) string     { return attrs.Text(nftaTargetName) }
func xtRevision(attrs attribute.List) uint64 { return attrs.NumberOr0(nftaTargetRev) }
