package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sallyport/firewall/kernel/attribute"
	"time"

	"golang.org/x/sys/unix"
)

const (
	netlinkHeader = 16      // struct nlmsghdr (linux/netlink.h)
	batchBuffer   = 1 << 20 // what the kernel may hold for us of answers
	batchPoll     = 100 * time.Millisecond
)

// batch is a socket that sends transactions of any messages.
type batch struct {
	fd       int
	sequence uint32
}

func openBatch() (*batch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", reason(err))
	}
	b := &batch{fd: fd}
	wait := unix.NsecToTimeval(batchPoll.Nanoseconds())
	err = errors.Join(unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, batchBuffer))
	if err != nil {
		b.close()
		return nil, fmt.Errorf("open a netlink socket: %w", reason(err))
	}
	return b, nil
}

func (b *batch) close() { _ = unix.Close(b.fd) } // what was committed stays

// commit sends the messages as one transaction, and waits for its end. The last one asks for an acknowledgement, which the
// kernel gives when it has gone through all, with or without errors (nfnetlink_rcv_batch, kernel 6.18).
func (b *batch) commit(ctx context.Context, messages []replayMessage) error {
	wire := b.append(nil, unix.NFNL_MSG_BATCH_BEGIN, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	first := b.sequence + 1
	for i, m := range messages {
		flags := uint16(unix.NLM_F_CREATE)
		if m.kind == unix.NFT_MSG_NEWRULE {
			flags |= unix.NLM_F_APPEND
		}
		if m.kind == unix.NFT_MSG_DELTABLE {
			flags = 0
		}
		if i == len(messages)-1 {
			flags |= unix.NLM_F_ACK
		}
		wire = b.append(wire, unix.NFNL_SUBSYS_NFTABLES<<8|m.kind, flags, m.family, 0, m.attrs)
	}
	last := b.sequence
	wire = b.append(wire, unix.NFNL_MSG_BATCH_END, 0, unix.NFPROTO_UNSPEC, unix.NFNL_SUBSYS_NFTABLES, nil)
	if len(wire) > copyBytes {
		return fmt.Errorf("%w: more than %d MiB", ErrTooLarge, copyBytes>>20)
	}
	if err := b.send(wire); err != nil {
		return err
	}
	return b.await(ctx, messages, first, last)
}

// send sends it whole. The buffer must hold a transaction, which only CAP_NET_ADMIN may ask for beyond net.core.wmem_max.
func (b *batch) send(wire []byte) error {
	size := len(wire) + 1<<16
	if err := unix.SetsockoptInt(b.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size); err != nil {
		if err := unix.SetsockoptInt(b.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size); err != nil {
			return fmt.Errorf("make room for a transaction: %w", err)
		}
	}
	if err := unix.Sendto(b.fd, wire, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send a transaction of %d KiB: %w", len(wire)>>10, reason(err))
	}
	return nil
}

// await reads answers until that to the last message, and tells the first error.
func (b *batch) await(ctx context.Context, messages []replayMessage, first, last uint32) error {
	var failure error
	buffer := make([]byte, dumpBuffer)
	for {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		n, _, err := unix.Recvfrom(b.fd, buffer, 0)
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return errors.Join(failure, reason(err))
		}
		done, err := batchAnswers(buffer[:n], messages, first, last)
		if failure == nil {
			failure = err
		}
		if done {
			return failure
		}
	}
}

// batchAnswers reads one datagram of answers: each a header and an error number, 0 for none.
func batchAnswers(b []byte, messages []replayMessage, first, last uint32) (done bool, failure error) {
	for len(b) >= netlinkHeader+4 {
		length := int(binary.NativeEndian.Uint32(b))
		if length < netlinkHeader+4 || length > len(b) {
			return true, fmt.Errorf("%w: an answer of %d bytes", attribute.ErrMalformed, length)
		}
		sequence := binary.NativeEndian.Uint32(b[8:])
		number := -int32(binary.NativeEndian.Uint32(b[netlinkHeader:]))
		if binary.NativeEndian.Uint16(b[4:]) == unix.NLMSG_ERROR && number != 0 && failure == nil {
			failure = reason(unix.Errno(number))
			if at := sequence - first; sequence >= first && int(at) < len(messages) {
				failure = fmt.Errorf("%s: %w", messages[at], failure)
			}
		}
		done = done || sequence == last
		b = b[min((length+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
	}
	return done, failure
}

// append appends a message with its headers (struct nlmsghdr, struct nfgenmsg).
func (b *batch) append(wire []byte, kind, flags uint16, family byte, resource uint16, attrs []byte) []byte {
	b.sequence++
	wire = binary.NativeEndian.AppendUint32(wire, uint32(netlinkHeader+nfgenSize+len(attrs)))
	wire = binary.NativeEndian.AppendUint16(wire, kind)
	wire = binary.NativeEndian.AppendUint16(wire, flags|unix.NLM_F_REQUEST)
	wire = binary.NativeEndian.AppendUint32(wire, b.sequence)
	wire = binary.NativeEndian.AppendUint32(wire, 0)
	wire = append(wire, family, unix.NFNETLINK_V0)
	return append(binary.BigEndian.AppendUint16(wire, resource), attrs...)
}

// String says what the message is about: the second attribute is the name of what it adds, or of where it adds to.
func (m replayMessage) String() string {
	what := map[uint16]string{
		unix.NFT_MSG_NEWTABLE: "table", unix.NFT_MSG_DELTABLE: "table", unix.NFT_MSG_NEWCHAIN: "chain",
		unix.NFT_MSG_NEWRULE: "a rule of", unix.NFT_MSG_NEWSET: "set", unix.NFT_MSG_NEWSETELEM: "elements of",
		unix.NFT_MSG_NEWOBJ: "object", unix.NFT_MSG_NEWFLOWTABLE: "flowtable",
	}[m.kind]
	attrs, err := attribute.Parse(m.attrs)
	if err != nil {
		return what
	}
	text := fmt.Sprintf("%s %+q", what, m.name(attrs))
	if m.kind == unix.NFT_MSG_NEWRULE {
		if rule, err := decodeRule(m.attrs); err == nil {
			for _, e := range rule.expressions {
				text += fmt.Sprintf(" %+q", e.name)
			}
		}
	}
	return text
}

func (m replayMessage) name(attrs attribute.List) string {
	switch m.kind {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE:
		return attrs.Text(unix.NFTA_TABLE_NAME)
	case unix.NFT_MSG_NEWCHAIN:
		return attrs.Text(unix.NFTA_CHAIN_NAME)
	default: // NFTA_RULE_CHAIN, NFTA_SET_NAME, NFTA_SET_ELEM_LIST_SET, NFTA_OBJ_NAME, NFTA_FLOWTABLE_NAME
		return attrs.Text(unix.NFTA_RULE_CHAIN)
	}
}
