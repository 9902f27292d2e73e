package lab

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Tampering is a way for another program to spoil Sallyport's table or to go round it, as a line of nft would.
type Tampering string

const (
	FlushTable   Tampering = "nft flush table inet sallyport"  // every rule goes, chains and policies stay
	DeleteTable  Tampering = "nft delete table inet sallyport" // everything goes
	FlushRuleset Tampering = "nft flush ruleset"               // everything of everybody goes, but for what has an owner

	// AddSideDoor makes a table of another program's, which leads port 8080 to port 22.
	AddSideDoor Tampering = "nft 'table ip helpful { chain web { type nat hook prerouting priority dstnat; " +
		"tcp dport 8080 redirect to :22; }; }'"
	RemoveSideDoor Tampering = "nft delete table ip helpful"

	// AddBarrier makes a table of another program's, which lets nothing out to port 636.
	AddBarrier Tampering = "nft 'table inet careful { chain out { type filter hook output priority filter; " +
		"tcp dport 636 reject with icmpx admin-prohibited; }; }'"
	RemoveBarrier Tampering = "nft delete table inet careful"
)

// Tamper does to the node's tables what the line of nft does, without needing nft: one transaction over a netlink socket of
// its own. The kernel's refusal (EPERM where the table has an owner) is the error.
func (n *Node) Tamper(how Tampering) error {
	if err := n.transact(how.messages()...); err != nil {
		return fmt.Errorf("%s: %w", how, err)
	}
	return nil
}

func (t Tampering) messages() []message {
	about := func(kind int, family byte, table string) []message {
		return []message{{kind: kind, family: family, attributes: named(table)}}
	}
	switch t {
	case FlushTable:
		return about(unix.NFT_MSG_DELRULE, unix.NFPROTO_INET, "sallyport") // no chain is named: all of its rules
	case DeleteTable:
		return about(unix.NFT_MSG_DELTABLE, unix.NFPROTO_INET, "sallyport")
	case FlushRuleset:
		return []message{{kind: unix.NFT_MSG_DELTABLE, family: unix.NFPROTO_UNSPEC}}
	case AddSideDoor:
		return sideDoor()
	case RemoveSideDoor:
		return about(unix.NFT_MSG_DELTABLE, unix.NFPROTO_IPV4, sideDoorTable)
	case AddBarrier:
		return barrier()
	case RemoveBarrier:
		return about(unix.NFT_MSG_DELTABLE, unix.NFPROTO_INET, barrierTable)
	default:
		return nil
	}
}

// Ownable says whether the node's kernel lets a program own a table that outlives it (flags owner and persist, Linux 6.9):
// one is made and deleted in one transaction.
func (n *Node) Ownable() (bool, error) {
	const ownerAndPersist = 2 | 4 // NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST
	flagged := func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_TABLE_NAME, "ownable")
		e.Uint32(unix.NFTA_TABLE_FLAGS, ownerAndPersist)
	}
	err := n.transact(
		message{kind: unix.NFT_MSG_NEWTABLE, family: unix.NFPROTO_INET, flags: netlink.Create, attributes: flagged},
		message{kind: unix.NFT_MSG_DELTABLE, family: unix.NFPROTO_INET, attributes: named("ownable")})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) { // before 6.9, and before 5.12
		return false, nil
	}
	return err == nil, err
}
