package lab

import (
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Tampering is a way for another program to spoil Sallyport's table, as a line of nft would.
type Tampering string

const (
	FlushTable  Tampering = "nft flush table inet sallyport"  // every rule goes, chains and policies stay
	DeleteTable Tampering = "nft delete table inet sallyport" // everything goes
)

// Tamper does to the node's table what the line of nft does, without needing nft: one message in one transaction, over
// a netlink socket of its own. The kernel's refusal (EPERM where the table has an owner) is the error.
func (n *Node) Tamper(how Tampering) error {
	err := n.Inside(func() error {
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		kind := unix.NFT_MSG_DELRULE // with a table and no chain: all of its rules
		if how == DeleteTable {
			kind = unix.NFT_MSG_DELTABLE
		}
		return transact(conn, kind, "sallyport")
	})
	if err != nil {
		return fmt.Errorf("%s: %w", how, err)
	}
	return nil
}

// transact sends one message about a table of the family inet between the marks of a batch, and hears the answer.
func transact(conn *netlink.Conn, kind int, table string) error {
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(table), 0)}, // the same number as NFTA_RULE_TABLE
	})
	if err != nil {
		return err
	}
	mark := func(kind int) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request},
			Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}, // struct nfgenmsg
		}
	}
	_, err = conn.SendMessages([]netlink.Message{
		mark(unix.NFNL_MSG_BATCH_BEGIN),
		{
			Header: netlink.Header{
				Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
				Flags: netlink.Request | netlink.Acknowledge,
			},
			Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, attributes...),
		},
		mark(unix.NFNL_MSG_BATCH_END),
	})
	if err != nil {
		return err
	}
	_, err = conn.Receive()
	return err
}
