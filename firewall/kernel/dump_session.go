package kernel

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"sallyport/firewall/kernel/attribute"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// What a read of the kernel may come to, for errors.Is.
var (
	// ErrNoTable says that the kernel has no such table: nothing is in force.
	ErrNoTable = errors.New("not there")
	// ErrNotPermitted says that the kernel wants CAP_NET_ADMIN in the user namespace that owns the network namespace.
	ErrNotPermitted = errors.New("nftables needs CAP_NET_ADMIN (run as root)")
	// ErrNoNftables says that the kernel has no nf_tables.
	ErrNoNftables = errors.New("no nf_tables: load the module nf_tables, or take a kernel built with it")
	// ErrUnsteady says that the ruleset was changed again and again while it was read.
	ErrUnsteady = errors.New("the ruleset changes faster than it can be read")
	// ErrTooLarge says that the table is larger than anything Sallyport writes.
	ErrTooLarge = errors.New("the table is too large to be read")
)

// errInterrupted says that what was read may be torn and must be read again.
var errInterrupted = errors.New("a change came in between")

const (
	familyInet = 1                // NFPROTO_INET
	nfgenSize  = 4                // struct nfgenmsg (linux/netfilter/nfnetlink.h): family, version, resource id
	dumpBuffer = 64 << 10         // above the 32 KiB in which the kernel fills a dump for a reader that takes as much
	dumpBytes  = 256 << 20        // of all answers to one dump; 100,000 elements are some 6 MiB
	dumpLimit  = 10 * time.Second // for one dump when the caller sets no deadline
	intrFlag   = unix.NLM_F_DUMP_INTR
)

// wire carries requests to the kernel and answers back: a dumpSocket, or what stands for one in a test.
type wire interface {
	Send(netlink.Message) (netlink.Message, error)
	ReceiveIter() iter.Seq2[netlink.Message, error]
}

// session is the reading socket for one dump. Its deadline and its budget of bytes hold for all that is asked on it.
type session struct {
	netlink wire
	release func() bool // ends the watch over the context
	budget  int         // bytes that the answers may still have
}

// session takes the reading socket for one dump, and opens it where there is none.
func (c *Conn) session(ctx context.Context) (*session, error) {
	if c.reader == nil {
		socket, err := dialDump()
		if err != nil {
			return nil, err
		}
		c.reader = socket
	}
	conn := c.reader.conn
	release := context.AfterFunc(ctx, func() {
		// A deadline in the past wakes a reader that waits; it fails only on a closed socket, which has none.
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	return &session{netlink: c.reader, release: release, budget: dumpBytes}, nil
}

// end gives the socket back for the next dump. One on which something failed may still hold answers, and one whose
// context has ended has a deadline in the past: they are closed.
func (c *Conn) end(s *session, err error) {
	if s.release() && (err == nil || errors.Is(err, ErrNoTable)) {
		return
	}
	_ = c.closeReader() // nothing was written that could be lost
}

// ask sends one request and passes the attributes of each answer to f. With the flag netlink.Dump the answers are a list.
func (s *session) ask(ctx context.Context, message uint16, flags netlink.HeaderFlags, attrs []byte, f func([]byte)) error {
	return s.askOf(ctx, familyInet, message, flags, attrs, func(_ byte, b []byte) { f(b) })
}

// askOf is ask for the tables of a family, 0 for those of all; f is told of which family each answer is.
func (s *session) askOf(
	ctx context.Context, family byte, message uint16, flags netlink.HeaderFlags, attrs []byte, f func(byte, []byte),
) error {
	request := netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | message),
			Flags: netlink.Request | flags,
		},
		Data: append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attrs...),
	}
	sent, err := s.netlink.Send(request)
	if err != nil {
		return s.failed(ctx, err)
	}
	return s.answers(ctx, sent.Header.Sequence, f)
}

func (s *session) answers(ctx context.Context, sequence uint32, f func(byte, []byte)) error {
	var failure error
	for m, err := range s.netlink.ReceiveIter() {
		switch {
		case err != nil:
			return s.failed(ctx, err)
		case failure != nil: // read on to the end, so that the socket is not left in the middle of a list
		case m.Header.Sequence != sequence:
			failure = fmt.Errorf("netlink answer %d to request %d", m.Header.Sequence, sequence)
		case m.Header.Flags&intrFlag != 0:
			failure = errInterrupted
		case s.budget < len(m.Data):
			failure = fmt.Errorf("%w: more than %d MiB", ErrTooLarge, dumpBytes>>20)
		case len(m.Data) < nfgenSize:
			failure = fmt.Errorf("%w: a netfilter message of %d bytes", attribute.ErrMalformed, len(m.Data))
		default:
			s.budget -= len(m.Data)
			f(m.Data[0], m.Data[nfgenSize:])
		}
	}
	return failure
}

// failed names what stopped a request: the context where that was it.
func (s *session) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return context.Cause(ctx)
	}
	return reason(err)
}

// reason puts our word before the kernel's error number, where we have one.
func reason(err error) error {
	var number unix.Errno
	if !errors.As(err, &number) {
		return err
	}
	switch number {
	case unix.EPERM, unix.EACCES:
		return fmt.Errorf("%w: %w", ErrNotPermitted, number)
	case unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT:
		return fmt.Errorf("%w: %w", ErrNoNftables, number)
	default:
		return err
	}
}
