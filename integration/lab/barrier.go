package lab

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// barrierTable is a table of the family inet, as a program that is too careful would make one.
const (
	barrierTable = "careful"
	barrierChain = "out"
)

// barrier is AddBarrier as messages.
func barrier() []message {
	const output, filter = 3, 0 // NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER
	chain := func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_CHAIN_TABLE, barrierTable)
		e.String(unix.NFTA_CHAIN_NAME, barrierChain)
		e.String(unix.NFTA_CHAIN_TYPE, "filter")
		e.Nested(unix.NFTA_CHAIN_HOOK, func(e *netlink.AttributeEncoder) error {
			e.Uint32(unix.NFTA_HOOK_HOOKNUM, output)
			e.Int32(unix.NFTA_HOOK_PRIORITY, filter)
			return nil
		})
	}
	rule := func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_RULE_TABLE, barrierTable)
		e.String(unix.NFTA_RULE_CHAIN, barrierChain)
		e.Nested(unix.NFTA_RULE_EXPRESSIONS, rejection)
	}
	of := func(kind int, attributes func(*netlink.AttributeEncoder)) message {
		flags := netlink.Create | netlink.Append // for tables and chains Append says nothing
		return message{kind: kind, family: unix.NFPROTO_INET, flags: flags, attributes: attributes}
	}
	return []message{
		of(unix.NFT_MSG_NEWTABLE, named(barrierTable)), of(unix.NFT_MSG_NEWCHAIN, chain), of(unix.NFT_MSG_NEWRULE, rule),
	}
}

// rejection is `tcp dport 636 reject with icmpx admin-prohibited`, in the registers and expressions that nft makes of it.
func rejection(e *netlink.AttributeEncoder) error {
	matchTCP(e, binary.BigEndian.AppendUint16(nil, 636))
	expression(e, "reject", func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_ICMPX_UNREACH)
		e.Uint8(unix.NFTA_REJECT_ICMP_CODE, unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED)
	})
	return nil
}

// matchTCP is `tcp dport`, as nft writes it in tables of every family.
func matchTCP(e *netlink.AttributeEncoder, port []byte) {
	const register = unix.NFT_REG_1
	equals := func(value ...byte) {
		expression(e, "cmp", func(e *netlink.AttributeEncoder) {
			e.Uint32(unix.NFTA_CMP_SREG, register)
			e.Uint32(unix.NFTA_CMP_OP, unix.NFT_CMP_EQ)
			e.Nested(unix.NFTA_CMP_DATA, data(value...))
		})
	}
	expression(e, "meta", func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFTA_META_DREG, register)
		e.Uint32(unix.NFTA_META_KEY, unix.NFT_META_L4PROTO)
	})
	equals(unix.IPPROTO_TCP)
	expression(e, "payload", func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFTA_PAYLOAD_DREG, register)
		e.Uint32(unix.NFTA_PAYLOAD_BASE, unix.NFT_PAYLOAD_TRANSPORT_HEADER)
		e.Uint32(unix.NFTA_PAYLOAD_OFFSET, 2) // the destination port (RFC 9293 section 3.1)
		e.Uint32(unix.NFTA_PAYLOAD_LEN, 2)
	})
	equals(port...)
}

// data is a value of a register.
func data(value ...byte) func(*netlink.AttributeEncoder) error {
	return func(e *netlink.AttributeEncoder) error {
		e.Bytes(unix.NFTA_DATA_VALUE, value)
		return nil
	}
}
