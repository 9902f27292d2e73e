package kernel

import (
	"encoding/binary"
	"fmt"
	"iter"
	"sallyport/firewall/kernel/attribute"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// dumpSocket sends requests and receives answers on the descriptor of a netlink connection. The library's own way starts
// and ends a goroutine for each of the some sixty system calls of a dump: that takes three times as long as the calls.
// Its deadline is that of the connection.
type dumpSocket struct {
	conn     *netlink.Conn
	raw      syscall.RawConn
	buffer   []byte
	sequence uint32
}

func dialDump() (*dumpSocket, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", reason(err))
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("open a netlink socket: %w", err)
	}
	return &dumpSocket{conn: conn, raw: raw, buffer: make([]byte, dumpBuffer)}, nil
}

// Send sends a request under the next sequence number, and returns it with that.
func (s *dumpSocket) Send(m netlink.Message) (netlink.Message, error) {
	s.sequence++
	m.Header.Sequence = s.sequence
	m.Header.Length = uint32(unix.SizeofNlMsghdr + len(m.Data)) // all requests are a multiple of four bytes long
	b, err := m.MarshalBinary()
	if err != nil {
		return m, err
	}
	kernel := &unix.SockaddrNetlink{Family: unix.AF_NETLINK}
	var sent error
	err = s.raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), b, 0, kernel)
		return sent != unix.EAGAIN && sent != unix.EINTR
	})
	if err == nil {
		err = sent
	}
	return m, err
}

// ReceiveIter gives the answers to the last request, to the end of the list where it is one. The first error ends it. The
// data of a message stays valid.
func (s *dumpSocket) ReceiveIter() iter.Seq2[netlink.Message, error] {
	return func(yield func(netlink.Message, error) bool) {
		for more := true; more; {
			b, err := s.receive()
			if err != nil {
				yield(netlink.Message{}, err)
				return
			}
			if more, err = messages(b, func(m netlink.Message) bool { return yield(m, nil) }); err != nil {
				yield(netlink.Message{}, err)
				return
			}
		}
	}
}

// receive waits for one datagram from the kernel.
func (s *dumpSocket) receive() ([]byte, error) {
	var n int
	var from unix.Sockaddr
	var received error
	err := s.raw.Read(func(fd uintptr) bool {
		n, from, received = unix.Recvfrom(int(fd), s.buffer, unix.MSG_TRUNC)
		return received != unix.EAGAIN && received != unix.EINTR
	})
	switch sender, ok := from.(*unix.SockaddrNetlink); {
	case err != nil:
		return nil, err
	case received != nil:
		return nil, received
	case n > len(s.buffer):
		return nil, fmt.Errorf("%w: a datagram of %d bytes", attribute.ErrMalformed, n)
	case !ok || sender.Pid != 0:
		return nil, fmt.Errorf("%w: a datagram that is not of the kernel", attribute.ErrMalformed)
	}
	return append([]byte(nil), s.buffer[:n]...), nil
}

// messages passes on those of a datagram. It returns true where the list goes on in another, and the error that the kernel
// answered with. What is passed on after f has returned false is nothing.
func messages(b []byte, f func(netlink.Message) bool) (more bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		m := netlink.Message{Header: netlink.Header{
			Length: binary.NativeEndian.Uint32(b), Type: netlink.HeaderType(binary.NativeEndian.Uint16(b[4:])),
			Flags:    netlink.HeaderFlags(binary.NativeEndian.Uint16(b[6:])),
			Sequence: binary.NativeEndian.Uint32(b[8:]), PID: binary.NativeEndian.Uint32(b[12:]),
		}}
		length := uint64(m.Header.Length)
		if length < unix.SizeofNlMsghdr || length > uint64(len(b)) {
			return false, fmt.Errorf("%w: a message of %d in %d bytes", attribute.ErrMalformed, length, len(b))
		}
		m.Data = b[unix.SizeofNlMsghdr:length:length]
		b = b[min(int(length+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
		more = m.Header.Flags&netlink.Multi != 0
		switch m.Header.Type {
		case netlink.Noop:
		case netlink.Error, netlink.Done:
			return false, errorNumber(m)
		case netlink.Overrun:
			return false, unix.ENOBUFS
		default:
			if !f(m) {
				return false, nil
			}
		}
	}
	return more, nil
}

// errorNumber is what an error or the end of a list says: an error number below zero, or none (struct nlmsgerr,
// netlink_dump_done).
func errorNumber(m netlink.Message) error {
	if len(m.Data) < 4 {
		if m.Header.Type == netlink.Done {
			return nil
		}
		return fmt.Errorf("%w: an error of %d bytes", attribute.ErrMalformed, len(m.Data))
	}
	if number := int32(binary.NativeEndian.Uint32(m.Data)); number < 0 {
		return unix.Errno(-number)
	}
	return nil
}
