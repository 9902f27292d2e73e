package lab

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// sideDoorTable is a table of the family ip, as a program that means well would make one.
const (
	sideDoorTable = "helpful"
	sideDoorChain = "web"
)

// sideDoor is AddSideDoor as messages.
func sideDoor() []message {
	const prerouting, dstnat = 0, -100 // NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST
	chain := func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_CHAIN_TABLE, sideDoorTable)
		e.String(unix.NFTA_CHAIN_NAME, sideDoorChain)
		e.String(unix.NFTA_CHAIN_TYPE, "nat")
		e.Nested(unix.NFTA_CHAIN_HOOK, func(e *netlink.AttributeEncoder) error {
			e.Uint32(unix.NFTA_HOOK_HOOKNUM, prerouting)
			e.Int32(unix.NFTA_HOOK_PRIORITY, dstnat)
			return nil
		})
	}
	rule := func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_RULE_TABLE, sideDoorTable)
		e.String(unix.NFTA_RULE_CHAIN, sideDoorChain)
		e.Nested(unix.NFTA_RULE_EXPRESSIONS, redirection)
	}
	of := func(kind int, attributes func(*netlink.AttributeEncoder)) message {
		flags := netlink.Create | netlink.Append // for tables and chains Append says nothing
		return message{kind: kind, family: unix.NFPROTO_IPV4, flags: flags, attributes: attributes}
	}
	return []message{
		of(unix.NFT_MSG_NEWTABLE, named(sideDoorTable)), of(unix.NFT_MSG_NEWCHAIN, chain), of(unix.NFT_MSG_NEWRULE, rule),
	}
}

// redirection is `tcp dport 8080 redirect to :22`, in the registers and expressions that nft makes of it.
func redirection(e *netlink.AttributeEncoder) error {
	const register = unix.NFT_REG_1
	const specified = 2 // NF_NAT_RANGE_PROTO_SPECIFIED
	matchTCP(e, binary.BigEndian.AppendUint16(nil, ForgottenPort))
	expression(e, "immediate", func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFTA_IMMEDIATE_DREG, register)
		e.Nested(unix.NFTA_IMMEDIATE_DATA, data(binary.BigEndian.AppendUint16(nil, SSHPort)...))
	})
	expression(e, "redir", func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFTA_REDIR_REG_PROTO_MIN, register)
		e.Uint32(unix.NFTA_REDIR_FLAGS, specified)
	})
	return nil
}

func expression(e *netlink.AttributeEncoder, name string, attributes func(*netlink.AttributeEncoder)) {
	e.Nested(unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) error {
		e.String(unix.NFTA_EXPR_NAME, name)
		e.Nested(unix.NFTA_EXPR_DATA, func(e *netlink.AttributeEncoder) error {
			attributes(e)
			return nil
		})
		return nil
	})
}
