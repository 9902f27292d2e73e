package encode

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// The registers: 1 is the first of four of 16 bytes; a concatenation goes on in those of 4 bytes, of which register 1
// covers the first four, 8 to 11 (linux/netfilter/nf_tables.h, enum nft_registers).
const (
	register     = unix.NFT_REG_1
	register32_0 = unix.NFT_REG32_00
)

// source is how a field is loaded and compared.
type source struct {
	load func(register uint32) expr.Any
	key  nftables.SetDatatype
	host bool // host byte order, not network

	// What must hold before the field means anything, as nft puts it in front: the family and the transport protocol,
	// 0 where it does not matter.
	nfproto, l4proto byte
}

const ifNameSize = 16 // IFNAMSIZ (linux/if.h)

func fieldSource(f firewall.Field) (source, error) {
	switch f {
	case firewall.MetaIIF:
		return source{load: meta(expr.MetaKeyIIF), key: nftables.TypeIFIndex, host: true}, nil
	case firewall.MetaOIF:
		return source{load: meta(expr.MetaKeyOIF), key: nftables.TypeIFIndex, host: true}, nil
	case firewall.MetaIIFName:
		return source{load: meta(expr.MetaKeyIIFNAME), key: nftables.TypeIFName, host: true}, nil
	case firewall.MetaOIFName:
		return source{load: meta(expr.MetaKeyOIFNAME), key: nftables.TypeIFName, host: true}, nil
	case firewall.MetaNFProto:
		return source{load: meta(expr.MetaKeyNFPROTO), key: nftables.TypeNFProto}, nil
	case firewall.MetaL4Proto:
		return source{load: meta(expr.MetaKeyL4PROTO), key: nftables.TypeInetProto}, nil
	case firewall.MetaPktType:
		return source{load: meta(expr.MetaKeyPKTTYPE), key: nftables.TypePktType}, nil
	case firewall.MetaSKUID:
		return source{load: meta(expr.MetaKeySKUID), key: nftables.TypeUID, host: true}, nil
	case firewall.CTState:
		return source{load: conntrack(expr.CtKeySTATE), key: nftables.TypeCTState, host: true}, nil
	case firewall.CTDirection:
		return source{load: conntrack(expr.CtKeyDIRECTION), key: nftables.TypeCTDir}, nil
	}
	return headerSource(f)
}

// headerSource are the fields of headers: offsets are those of RFC 791, 8200, 9293, 768, 792 and 4443.
func headerSource(f firewall.Field) (source, error) {
	const v4, v6 = unix.NFPROTO_IPV4, unix.NFPROTO_IPV6
	switch f {
	case firewall.IPSaddr:
		return source{load: network(12, 4), key: nftables.TypeIPAddr, nfproto: v4}, nil
	case firewall.IPDaddr:
		return source{load: network(16, 4), key: nftables.TypeIPAddr, nfproto: v4}, nil
	case firewall.IP6Saddr:
		return source{load: network(8, 16), key: nftables.TypeIP6Addr, nfproto: v6}, nil
	case firewall.IP6Daddr:
		return source{load: network(24, 16), key: nftables.TypeIP6Addr, nfproto: v6}, nil
	case firewall.IP6HopLimit:
		oneByte := nftables.TypeInteger
		oneByte.Bytes = 1
		return source{load: network(7, 1), key: oneByte, nfproto: v6}, nil
	case firewall.TCPSport:
		return source{load: transport(0, 2), key: nftables.TypeInetService, l4proto: unix.IPPROTO_TCP}, nil
	case firewall.TCPDport:
		return source{load: transport(2, 2), key: nftables.TypeInetService, l4proto: unix.IPPROTO_TCP}, nil
	case firewall.TCPFlags:
		return source{load: transport(13, 1), key: nftables.TypeTCPFlag, l4proto: unix.IPPROTO_TCP}, nil
	case firewall.UDPSport:
		return source{load: transport(0, 2), key: nftables.TypeInetService, l4proto: unix.IPPROTO_UDP}, nil
	case firewall.UDPDport:
		return source{load: transport(2, 2), key: nftables.TypeInetService, l4proto: unix.IPPROTO_UDP}, nil
	case firewall.TransportSport:
		return source{load: transport(0, 2), key: nftables.TypeInetService}, nil
	case firewall.TransportDport:
		return source{load: transport(2, 2), key: nftables.TypeInetService}, nil
	case firewall.ICMPType:
		return source{load: transport(0, 1), key: nftables.TypeICMPType, nfproto: v4, l4proto: unix.IPPROTO_ICMP}, nil
	case firewall.ICMPv6Type:
		return source{load: transport(0, 1), key: nftables.TypeICMP6Type, nfproto: v6, l4proto: unix.IPPROTO_ICMPV6}, nil
	}
	return source{}, fmt.Errorf("%w: %s", ErrNotEncodable, f)
}

func meta(key expr.MetaKey) func(uint32) expr.Any {
	return func(reg uint32) expr.Any { return &expr.Meta{Key: key, Register: reg} }
}

func conntrack(key expr.CtKey) func(uint32) expr.Any {
	return func(reg uint32) expr.Any { return &expr.Ct{Key: key, Register: reg} }
}

func network(offset, length uint32) func(uint32) expr.Any {
	return header(expr.PayloadBaseNetworkHeader, offset, length)
}

func transport(offset, length uint32) func(uint32) expr.Any {
	return header(expr.PayloadBaseTransportHeader, offset, length)
}

func header(base expr.PayloadBase, offset, length uint32) func(uint32) expr.Any {
	return func(reg uint32) expr.Any {
		return &expr.Payload{DestRegister: reg, Base: base, Offset: offset, Len: length}
	}
}
