package kernel

import (
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// headerField is where a field lies in a header, and what must be known of a packet for those bytes to be that field.
type headerField struct {
	field            firewall.Field
	base             uint64 // NFT_PAYLOAD_NETWORK_HEADER or NFT_PAYLOAD_TRANSPORT_HEADER
	offset, length   uint64 // bytes
	family, protocol uint64 // 0: any
}

const (
	baseNetwork   = unix.NFT_PAYLOAD_NETWORK_HEADER
	baseTransport = unix.NFT_PAYLOAD_TRANSPORT_HEADER

	ipv4 = uint64(firewall.NFProtoIPv4)
	ipv6 = uint64(firewall.NFProtoIPv6)
)

// headers are the fields in the order of their offsets. ICMP types imply the family too: nft writes both matches.
func headers() []headerField {
	return []headerField{
		{firewall.IPSaddr, baseNetwork, 12, 4, ipv4, 0}, // RFC 791 section 3.1
		{firewall.IPDaddr, baseNetwork, 16, 4, ipv4, 0},
		{firewall.IP6HopLimit, baseNetwork, 7, 1, ipv6, 0}, // RFC 8200 section 3
		{firewall.IP6Saddr, baseNetwork, 8, 16, ipv6, 0},
		{firewall.IP6Daddr, baseNetwork, 24, 16, ipv6, 0},
		{firewall.TCPSport, baseTransport, 0, 2, 0, unix.IPPROTO_TCP}, // RFC 9293 section 3.1
		{firewall.TCPDport, baseTransport, 2, 2, 0, unix.IPPROTO_TCP},
		{firewall.TCPFlags, baseTransport, 13, 1, 0, unix.IPPROTO_TCP},
		{firewall.UDPSport, baseTransport, 0, 2, 0, unix.IPPROTO_UDP}, // RFC 768
		{firewall.UDPDport, baseTransport, 2, 2, 0, unix.IPPROTO_UDP},
		{firewall.ICMPType, baseTransport, 0, 1, ipv4, unix.IPPROTO_ICMP},     // RFC 792
		{firewall.ICMPv6Type, baseTransport, 0, 1, ipv6, unix.IPPROTO_ICMPV6}, // RFC 4443 section 2.1
		{firewall.TransportSport, baseTransport, 0, 2, 0, 0},
		{firewall.TransportDport, baseTransport, 2, 2, 0, 0},
	}
}

// is says that the header is the one that a packet of this premise has at its base.
func (h headerField) is(p premise) bool {
	if h.base == baseNetwork {
		return h.family == p.family
	}
	return h.protocol == p.protocol
}

// load is what stands in a register.
type load struct {
	register int            // its offset in bytes
	field    firewall.Field // of what the kernel knows about the packet; 0: bytes of a header, or fib
	fib      bool           // the index of the interface that the source's route leads to, 0: another or none
	base     uint64
	offset   uint64
	length   uint64 // bytes
}

// part finds the header field that a load begins with. A load may have only its first bytes: a prefix of an address.
func (p premise) part(l load) (headerField, bool) {
	for _, h := range headers() {
		if h.base == l.base && h.offset == l.offset && h.is(p) {
			return h, true
		}
	}
	return headerField{}, false
}

// whole is the field that fills a load.
func (p premise) whole(l load) (firewall.Field, bool) {
	if l.field != 0 || l.fib {
		return l.field, !l.fib
	}
	h, ok := p.part(l)
	return h.field, ok && h.length == l.length
}

// implied says what a field says about the packet by itself.
func implied(f firewall.Field) premise {
	for _, h := range headers() {
		if h.field == f {
			return premise{family: h.family, protocol: h.protocol}
		}
	}
	return premise{}
}

// readLoad reads an expression that puts something in a register.
func readLoad(e rawExpression) (load, bool) {
	switch e.name {
	case exprMeta:
		return readKnown(e.attrs, unix.NFTA_META_KEY, unix.NFTA_META_DREG, metaField)
	case exprCT:
		if e.attrs.Has(unix.NFTA_CT_DIRECTION) {
			return load{}, false
		}
		return readKnown(e.attrs, unix.NFTA_CT_KEY, unix.NFTA_CT_DREG, ctField)
	case exprFIB:
		const missing = unix.NFTA_FIB_F_SADDR | unix.NFTA_FIB_F_IIF | unix.NFTA_FIB_F_PRESENT
		return load{fib: true, length: 1, register: registerOffset(e.attrs.NumberOr0(unix.NFTA_FIB_DREG))},
			e.attrs.NumberOr0(unix.NFTA_FIB_FLAGS) == missing &&
				e.attrs.NumberOr0(unix.NFTA_FIB_RESULT) == unix.NFT_FIB_RESULT_OIF
	default:
		return readPayload(e.attrs)
	}
}

func readKnown(attrs attribute.List, key, register uint16, field func(uint64) (firewall.Field, uint64)) (load, bool) {
	f, length := field(attrs.NumberOr0(key))
	return load{field: f, length: length, register: registerOffset(attrs.NumberOr0(register))},
		f != 0 && attrs.Has(key) && attrs.Has(register)
}

func readPayload(attrs attribute.List) (load, bool) {
	l := load{
		base: attrs.NumberOr0(unix.NFTA_PAYLOAD_BASE), offset: attrs.NumberOr0(unix.NFTA_PAYLOAD_OFFSET),
		length: attrs.NumberOr0(unix.NFTA_PAYLOAD_LEN), register: registerOffset(attrs.NumberOr0(unix.NFTA_PAYLOAD_DREG)),
	}
	return l, attrs.Has(unix.NFTA_PAYLOAD_DREG) && l.length > 0 && l.length <= 64
}

// metaField is the field of a key of meta and its length in a register (enum nft_meta_keys).
func metaField(key uint64) (firewall.Field, uint64) {
	switch key {
	case unix.NFT_META_IIF:
		return firewall.MetaIIF, 4
	case unix.NFT_META_OIF:
		return firewall.MetaOIF, 4
	case unix.NFT_META_IIFNAME:
		return firewall.MetaIIFName, unix.IFNAMSIZ
	case unix.NFT_META_OIFNAME:
		return firewall.MetaOIFName, unix.IFNAMSIZ
	case unix.NFT_META_NFPROTO:
		return firewall.MetaNFProto, 1
	case unix.NFT_META_L4PROTO:
		return firewall.MetaL4Proto, 1
	case unix.NFT_META_PKTTYPE:
		return firewall.MetaPktType, 1
	case unix.NFT_META_SKUID:
		return firewall.MetaSKUID, 4
	}
	return 0, 0
}

// ctField is the field of a key of ct (enum nft_ct_keys).
func ctField(key uint64) (firewall.Field, uint64) {
	switch key {
	case unix.NFT_CT_STATE:
		return firewall.CTState, 4
	case unix.NFT_CT_DIRECTION:
		return firewall.CTDirection, 1
	}
	return 0, 0
}
