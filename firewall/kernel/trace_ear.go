package kernel

import (
	"encoding/binary"
	"errors"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// traceBuffer is what the kernel may hold of messages that are still to be read: it drops what comes after.
	traceBuffer = 1 << 20
	// traceMessage is above any message about a packet: it has names of up to 255 bytes and some headers.
	traceMessage = 8 << 10
	// traceMost bounds what is read of one trace. A packet that passes through some ten chains has some ten messages;
	// somebody else who traces at the same time may cause any number.
	traceMost = 16 << 10
)

// traceEar hears what the kernel tells of packets that bear the mark, whoever set it.
type traceEar struct{ fd int }

// newTraceEar begins to listen.
func newTraceEar() (*traceEar, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	// Past net.core.rmem_max where CAP_NET_ADMIN allows it; the usual size will do as well.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, traceBuffer)
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.NFNLGRP_NFTRACE)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &traceEar{fd: fd}, nil
}

func (e *traceEar) close() error { return unix.Close(e.fd) }

// sighted reads what was told until now. The kernel tells it while the packet passes, so that nothing is to be waited for.
// Where it had to leave something out, the rest still counts.
func (e *traceEar) sighted() (*sighting, error) {
	seen := newSighting()
	buffer := make([]byte, traceMessage)
	for range traceMost {
		n, from, err := unix.Recvfrom(e.fd, buffer, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		sender, ok := from.(*unix.SockaddrNetlink)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return seen, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS):
			seen.patchy = true
		case err != nil:
			return nil, err
		case n > len(buffer) || !ok || sender.Pid != 0: // not of the kernel
		default:
			seen.take(buffer[:n])
		}
	}
	seen.patchy = true
	return seen, nil
}

// take takes in the messages of one datagram. What cannot be read is left out.
func (s *sighting) take(datagram []byte) {
	const traced = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_TRACE
	_, _ = messages(datagram, func(m netlink.Message) bool {
		if m.Header.Type != traced || len(m.Data) < nfgenSize {
			return true
		}
		if told, err := decodeTraceStep(m.Data[0], m.Data[nfgenSize:]); err == nil {
			s.step(told)
		}
		return true
	})
}

// verdictNumber is a verdict as the kernel has it: negative ones are nftables' own (enum nft_verdicts), and the upper half
// of the others says more about them (NF_VERDICT_QMASK).
func verdictNumber(b []byte) (int32, bool) {
	if len(b) != 4 {
		return 0, false
	}
	return int32(binary.BigEndian.Uint32(b)), true
}
