package kernel

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/encode"
)

const (
	// sentrySlice is the time slice, in nanoseconds, that a sentry asks of the scheduler: the shortest there is. Who
	// wakes up with a shorter one than that of the program that runs is let in before it (EEVDF, kernel 6.12).
	sentrySlice = 100_000
	// sentryBuffer is what a sentry may have unread. It reads the latest state anyway: a few commits are enough.
	sentryBuffer = 64 << 10
	// sentryAnswer is more than the kernel says at once: errors quote the message that they are about.
	sentryAnswer = 16 << 10
)

var errStopped = errors.New("stopped")

// sentry is the two sockets of one thread: one hears of commits, one asks and writes.
type sentry struct {
	cpu         int
	hear, write int
	answers     []byte
}

func newSentry(cpu int) (*sentry, error) {
	open := func() (int, error) {
		return unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	}
	hear, err := open()
	if err != nil {
		return nil, err
	}
	write, err := open()
	if err != nil {
		_ = unix.Close(hear)
		return nil, err
	}
	s := &sentry{cpu: cpu, hear: hear, write: write, answers: make([]byte, sentryAnswer)}
	// A socket without a port hears nothing: 0 is whom the kernel leaves out.
	if err := errors.Join(s.filter(), unix.Bind(hear, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// filter lets in nothing but the word of a commit.
func (s *sentry) filter() error {
	filter, err := commitsOnly()
	if err != nil {
		return err
	}
	program := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		program[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	return errors.Join(
		unix.SetsockoptSockFprog(s.hear, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}),
		unix.SetsockoptInt(s.hear, unix.SOL_SOCKET, unix.SO_RCVBUF, sentryBuffer))
}

func (s *sentry) close() error { return errors.Join(unix.Close(s.hear), unix.Close(s.write)) }

// settle binds the calling thread to its processor and has it let in before every ordinary program, that of the commit
// among them, which would close its socket first in some of a hundred cases: by SCHED_FIFO at its lowest priority, which
// root, CAP_SYS_NICE or an RLIMIT_RTPRIO of 1 allows (sched(7)), else by a short slice. A sentry runs for some ten
// microseconds at a commit, and for a millisecond where it restores. None of it is granted everywhere (a unit's
// SystemCallFilter, a kernel before 6.12), and without it a restoration is only slower.
func (s *sentry) settle() {
	var here unix.CPUSet
	here.Set(s.cpu)
	_ = unix.SchedSetaffinity(0, &here)
	first := unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}
	if unix.SchedSetAttr(0, &first, 0) != nil {
		_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Runtime: sentrySlice}, 0)
	}
}

// listen joins the group in which commits are told, or leaves it.
func (s *sentry) listen(on bool) error {
	option := unix.NETLINK_DROP_MEMBERSHIP
	if on {
		option = unix.NETLINK_ADD_MEMBERSHIP
	}
	return unix.SetsockoptInt(s.hear, unix.SOL_NETLINK, option, unix.NFNLGRP_NFTABLES)
}

// makeRoom has the socket take a batch of so many bytes: past net.core.wmem_max, which CAP_NET_ADMIN allows.
func (s *sentry) makeRoom(size int) error {
	return unix.SetsockoptInt(s.write, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size+size/4+1<<16)
}

// next waits for the next commit. Where some were left out, it is the zero Change.
func (s *sentry) next(stop int) (Change, error) {
	waiting := []unix.PollFd{{Fd: int32(s.hear), Events: unix.POLLIN}, {Fd: int32(stop), Events: unix.POLLIN}}
	for {
		n, _, err := unix.Recvfrom(s.hear, s.answers, 0)
		switch {
		case err == nil && n >= unix.NLMSG_HDRLEN:
			return decodeChange(binary.NativeEndian.Uint16(s.answers[4:]), s.answers[unix.NLMSG_HDRLEN:n]), nil
		case errors.Is(err, unix.ENOBUFS):
			return Change{}, nil
		case err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
			return Change{}, err
		}
		if _, err := unix.Poll(waiting, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return Change{}, err
		}
		if waiting[1].Revents != 0 {
			return Change{}, errStopped
		}
	}
}

// missing asks whether the table is gone. It takes no lock of the kernel's.
func (s *sentry) missing() bool {
	question := netlink.Message{
		Header: netlink.Header{
			Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETTABLE, Flags: netlink.Request,
		},
		Data: append([]byte{familyInet, unix.NFNETLINK_V0, 0, 0}, attribute.String(unix.NFTA_TABLE_NAME, firewall.Table)...),
	}
	return errors.Is(s.exchange(packed([]netlink.Message{question})), unix.ENOENT)
}

// restore makes the table, if nobody has committed anything since the generation; 0 asks for none. The kernel compares
// before it looks at the rest (nf_tables_valid_genid), so that one sentry's success costs the others nothing.
func (s *sentry) restore(plan []byte, generation uint32) error {
	begin := []byte{0, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	if generation != 0 {
		begin = attribute.Append(begin, unix.NFNL_BATCH_GENID, binary.BigEndian.AppendUint32(nil, generation))
	}
	return s.exchange(packed([]netlink.Message{{
		Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: begin,
	}}), plan)
}

// exchange sends, and reads the answers that are there when the kernel is done, which is when sending returns. It is the
// first error among them.
func (s *sentry) exchange(request ...[]byte) error {
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	if _, err := unix.SendmsgBuffers(s.write, request, nil, to, 0); err != nil {
		return err
	}
	var first error
	for {
		n, _, err := unix.Recvfrom(s.write, s.answers, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return first
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case first == nil:
			first = answered(s.answers[:n])
		}
	}
}

// answered is the error of an answer, where it is one (netlink(7)).
func answered(b []byte) error {
	if len(b) < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(b[4:]) != unix.NLMSG_ERROR {
		return nil
	}
	if number := int32(binary.NativeEndian.Uint32(b[unix.NLMSG_HDRLEN:])); number < 0 {
		return unix.Errno(-number)
	}
	return nil
}

// creation is the transaction that makes the table where there is none, and fails where there is one, less the message
// that begins the batch.
func creation(r firewall.Ruleset) ([]byte, error) {
	code, err := encode.Ruleset(r)
	if err != nil {
		return nil, err
	}
	var messages []netlink.Message
	// The library hands what it would send to this function, and to no socket.
	nft, err := nftables.New(nftables.WithTestDial(func(sent []netlink.Message) ([]netlink.Message, error) {
		messages = append(messages, sent...)
		return nil, io.EOF
	}))
	if err != nil {
		return nil, err
	}
	newTransaction(nft, order{table: firewall.Table, code: code}, rawTable{}).content(code)
	if err := nft.Flush(); err != nil {
		return nil, err
	}
	messages = messages[1:]
	messages[0].Header.Flags |= netlink.Excl // the table comes first
	return packed(messages), nil
}

// packed is messages as they go over a socket. Their sequence numbers are their places.
func packed(messages []netlink.Message) []byte {
	var b []byte
	for i, m := range messages {
		b = binary.NativeEndian.AppendUint32(b, uint32(unix.NLMSG_HDRLEN+len(m.Data)))
		b = binary.NativeEndian.AppendUint16(b, uint16(m.Header.Type))
		b = binary.NativeEndian.AppendUint16(b, uint16(m.Header.Flags))
		b = binary.NativeEndian.AppendUint32(b, uint32(i+1))
		b = binary.NativeEndian.AppendUint32(b, 0) // to the kernel
		b = append(b, m.Data...)
		for len(b)%unix.NLMSG_ALIGNTO != 0 {
			b = append(b, 0)
		}
	}
	return b
}
