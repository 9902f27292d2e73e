package lab

import (
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// message is one message of nftables.
type message struct {
	kind       int // NFT_MSG_*
	family     byte
	flags      netlink.HeaderFlags // beside Request
	attributes func(*netlink.AttributeEncoder)
}

// named is the attribute that names a table, which has the same number in messages about tables and about rules.
func named(table string) func(*netlink.AttributeEncoder) {
	return func(e *netlink.AttributeEncoder) { e.String(unix.NFTA_TABLE_NAME, table) }
}

func (m message) encode() (netlink.Message, error) {
	encoder := netlink.NewAttributeEncoder()
	encoder.ByteOrder = binary.BigEndian
	if m.attributes != nil {
		m.attributes(encoder)
	}
	attributes, err := encoder.Encode()
	return netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | m.kind),
			Flags: netlink.Request | m.flags,
		},
		Data: append([]byte{m.family, unix.NFNETLINK_V0, 0, 0}, attributes...), // struct nfgenmsg
	}, err
}

// transact sends messages between the marks of a batch, which makes them one transaction, and hears the answer. Where one
// is refused, so are all.
func (n *Node) transact(messages ...message) error {
	mark := func(kind int) netlink.Message {
		return netlink.Message{
			Header: netlink.Header{Type: netlink.HeaderType(kind), Flags: netlink.Request},
			Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES},
		}
	}
	batch := []netlink.Message{mark(unix.NFNL_MSG_BATCH_BEGIN)}
	for i, m := range messages {
		if i == len(messages)-1 {
			m.flags |= netlink.Acknowledge // an error is told anyway
		}
		encoded, err := m.encode()
		if err != nil {
			return err
		}
		batch = append(batch, encoded)
	}
	batch = append(batch, mark(unix.NFNL_MSG_BATCH_END))
	return n.nftables(func(conn *netlink.Conn) error {
		if _, err := conn.SendMessages(batch); err != nil {
			return err
		}
		_, err := conn.Receive()
		return err
	})
}

// nftables runs f with a socket to the node's nftables.
func (n *Node) nftables(f func(*netlink.Conn) error) error {
	return n.Inside(func() error {
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		return f(conn)
	})
}

// TableHandle is the number that the node's kernel gave Sallyport's table when it was made: a table that was deleted and
// made again has another.
func (n *Node) TableHandle() (handle uint64, err error) {
	const attribute = 4 // NFTA_TABLE_HANDLE, which package unix lacks
	ask, err := message{
		kind: unix.NFT_MSG_GETTABLE, family: unix.NFPROTO_INET, attributes: named("sallyport"),
	}.encode()
	if err != nil {
		return 0, err
	}
	err = n.nftables(func(conn *netlink.Conn) error {
		answers, err := conn.Execute(ask)
		if err != nil {
			return err
		}
		if len(answers) != 1 || len(answers[0].Data) < 4 {
			return fmt.Errorf("%d answers", len(answers))
		}
		attributes, err := netlink.NewAttributeDecoder(answers[0].Data[4:])
		if err != nil {
			return err
		}
		attributes.ByteOrder = binary.BigEndian
		for attributes.Next() {
			if attributes.Type() == attribute {
				handle = attributes.Uint64()
			}
		}
		return attributes.Err()
	})
	if err != nil {
		return 0, fmt.Errorf("the handle of the table inet sallyport: %w", err)
	}
	return handle, nil
}
