package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What a read of the kernel may come to, for errors.Is.
var (
	// ErrNoTable says that the kernel has no such table: nothing is in force.
	ErrNoTable = errors.New("the table is not there")
	// ErrNotPermitted says that the kernel wants CAP_NET_ADMIN in the user namespace that owns the network namespace.
	ErrNotPermitted = errors.New("not permitted: reading and writing nftables needs CAP_NET_ADMIN (run as root)")
	// ErrNoNftables says that the kernel has no nf_tables.
	ErrNoNftables = errors.New("the kernel has no nf_tables: load the module nf_tables, or take a kernel built with it")
	// ErrUnsteady says that the ruleset was changed again and again while it was read.
	ErrUnsteady = errors.New("the ruleset changes faster than it can be read")
	// ErrTooLarge says that the table is larger than anything Sallyport writes.
	ErrTooLarge = errors.New("the table is too large to be read")
)

// errInterrupted says that what was read may be torn and must be read again.
var errInterrupted = errors.New("the ruleset changed while it was read")

const (
	familyInet = 1                // NFPROTO_INET
	nfgenSize  = 4                // struct nfgenmsg (linux/netfilter/nfnetlink.h): family, version, resource id
	dumpBuffer = 64 << 10         // above the 32 KiB in which the kernel fills a dump for a reader that takes as much
	dumpBytes  = 256 << 20        // of all answers to one dump; 100,000 elements are some 6 MiB
	dumpLimit  = 10 * time.Second // for one dump when the caller sets no deadline
	intrFlag   = unix.NLM_F_DUMP_INTR
)

// session is a netlink socket for one dump. Its deadline and its budget of bytes hold for all that is asked on it.
type session struct {
	netlink *netlink.Conn
	release func() bool // ends the watch over the context
	budget  int         // bytes that the answers may still have
}

// openSession opens a socket in a network namespace; 0 is that of the calling thread.
func openSession(ctx context.Context, netns int) (*session, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netns, MessageBufferSize: dumpBuffer})
	if err != nil {
		return nil, fmt.Errorf("kernel: open a netlink socket: %w", reason(err))
	}
	release := context.AfterFunc(ctx, func() {
		// A deadline in the past wakes a reader that waits; it fails only on a closed socket, which has none.
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return &session{netlink: conn, release: release, budget: dumpBytes}, nil
}

func (s *session) close() {
	s.release()
	_ = s.netlink.Close() // nothing was written that could be lost
}

// ask sends one request and passes the attributes of each answer to f. With the flag netlink.Dump the answers are a list.
func (s *session) ask(ctx context.Context, message uint16, flags netlink.HeaderFlags, attrs []byte, f func([]byte)) error {
	request := netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message),
			Flags: netlink.Request | flags,
		},
		Data: append([]byte{familyInet, unix.NFNETLINK_V0, 0, 0}, attrs...),
	}
	sent, err := s.netlink.Send(request)
	if err != nil {
		return s.failed(ctx, err)
	}
	return s.answers(ctx, sent.Header.Sequence, f)
}

func (s *session) answers(ctx context.Context, sequence uint32, f func([]byte)) error {
	var failure error
	for m, err := range s.netlink.ReceiveIter() {
		switch {
		case err != nil:
			return s.failed(ctx, err)
		case failure != nil: // read on to the end, so that the socket is not left in the middle of a list
		case m.Header.Sequence != sequence:
			failure = fmt.Errorf("kernel: netlink answer %d to request %d", m.Header.Sequence, sequence)
		case m.Header.Flags&intrFlag != 0:
			failure = errInterrupted
		case s.budget < len(m.Data):
			failure = fmt.Errorf("kernel: %w: more than %d MiB", ErrTooLarge, dumpBytes>>20)
		case len(m.Data) < nfgenSize:
			failure = fmt.Errorf("kernel: %w: a netfilter message of %d bytes", errMalformed, len(m.Data))
		default:
			s.budget -= len(m.Data)
			f(m.Data[nfgenSize:])
		}
	}
	return failure
}

// failed names what stopped a request: the context where that was it.
func (s *session) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("kernel: %w", context.Cause(ctx))
	}
	return fmt.Errorf("kernel: %w", reason(err))
}

// reason puts our word before the kernel's error number, where we have one.
func reason(err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Errorf("%w: %w", ErrNoNftables, err)
	default:
		return err
	}
}
