package census

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// XTTarget reads a target of xtables, as XTMatch does a match.
func XTTarget(family byte, name string, revision uint64, info []byte) Step {
	text := "xt target " + Visible(name)
	switch name {
	case "DNAT", "NETMAP":
		to := natTarget(family, name, revision, info)
		return Step{Kind: StepDNAT, To: to, Text: text + to.Text()}
	case "REDIRECT":
		to := natTarget(family, name, revision, info)
		to.Addr = netip.Addr{}
		return Step{Kind: StepRedirect, To: to, Text: text + to.Text()}
	case "TPROXY":
		to := tproxyTarget(revision, info)
		return Step{Kind: StepTProxy, To: to, Text: text + to.Text()}
	case "CT":
		return ctTarget(text, info)
	}
	if kind, known := xtTargets()[name]; known {
		if kind == StepVerdict {
			return Step{Kind: kind, Word: firewall.Verdict{Kind: firewall.Drop}, Text: text}
		}
		return StepOf(kind, text)
	}
	return StepOf(StepUnknown, text)
}

// xtTargets are the targets that need no more than their name.
func xtTargets() map[string]StepKind {
	kinds := map[string]StepKind{
		"REJECT": StepReject, "NFQUEUE": StepQueue, "SYNPROXY": StepSynproxy, "MASQUERADE": StepMasquerade,
		"SNAT": StepSNAT, "NOTRACK": StepNotrack, "TEE": StepDuplicate, "FLOWOFFLOAD": StepOffload, "DNPT": StepRewrite,
		"SNPT": StepRewrite, "TARPIT": StepVerdict, "DROP": StepVerdict,
	}
	for _, name := range []string{
		"LOG", "NFLOG", "MARK", "CONNMARK", "SECMARK", "CONNSECMARK", "TCPMSS", "TCPOPTSTRIP", "DSCP", "TOS", "TTL", "HL",
		"CHECKSUM", "CLASSIFY", "AUDIT", "TRACE", "SET", "IDLETIMER", "RATEEST", "HMARK", "ECN", "LED",
	} {
		kinds[name] = StepPass
	}
	return kinds
}

// Offsets in struct nf_nat_range2 and its shorter forerunner nf_nat_range: flags, the lowest and the highest address of 16
// bytes each, then the ports in network order. IPv4's older targets have struct nf_nat_ipv4_multi_range_compat.
const (
	natFlags    = 0
	natMinAddr  = 4
	natMinPort  = 36
	natMaxPort  = 38
	natSize     = 40
	natOldFlags = 4
	natOldAddr  = 8
	natOldPort  = 16
	natOldSize  = 20

	natMapsAddr = 1 // NF_NAT_RANGE_MAP_IPS
	natMapsPort = 2 // NF_NAT_RANGE_PROTO_SPECIFIED
)

func natTarget(family byte, name string, revision uint64, info []byte) Target {
	old := family == unix.NFPROTO_IPV4 && (name != "DNAT" || revision == 0)
	switch {
	case old && len(info) >= natOldSize:
		return natRange(binary.NativeEndian.Uint32(info[natOldFlags:]), info[natOldAddr:natOldAddr+4], info[natOldPort:])
	case !old && len(info) >= natSize && family == unix.NFPROTO_IPV4:
		return natRange(binary.NativeEndian.Uint32(info[natFlags:]), info[natMinAddr:natMinAddr+4], info[natMinPort:])
	case !old && len(info) >= natSize:
		return natRange(binary.NativeEndian.Uint32(info[natFlags:]), info[natMinAddr:natMinAddr+16], info[natMinPort:])
	default:
		return Target{}
	}
}

func natRange(flags uint32, address, ports []byte) Target {
	var to Target
	if flags&natMapsAddr != 0 {
		to.Addr, _ = netip.AddrFromSlice(address)
	}
	if flags&natMapsPort != 0 {
		to.First, to.Last = binary.BigEndian.Uint16(ports), binary.BigEndian.Uint16(ports[2:])
		to.Last = max(to.Last, to.First)
	}
	return to
}

// tproxyTarget reads struct xt_tproxy_target_info (revision 0: mark, mask, address of 4 bytes, port) or its revision 1,
// whose address has 16.
func tproxyTarget(revision uint64, info []byte) Target {
	at := 12
	if revision > 0 {
		at = 24
	}
	if len(info) < at+2 {
		return Target{}
	}
	port := binary.BigEndian.Uint16(info[at:])
	return Target{First: port, Last: port}
}

// ctTarget reads struct xt_ct_target_info: flags and zone first.
func ctTarget(text string, info []byte) Step {
	const notrack, zoneFromMark = 1, 1 << 4
	if len(info) < 4 {
		return StepOf(StepUnknown, text)
	}
	flags, zone := binary.NativeEndian.Uint16(info), binary.NativeEndian.Uint16(info[2:])
	switch {
	case flags&notrack != 0:
		return StepOf(StepNotrack, text+" notrack")
	case zone != 0 || flags&zoneFromMark != 0:
		return StepOf(StepZone, text+" zone")
	default:
		return StepOf(StepPass, text)
	}
}
