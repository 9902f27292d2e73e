package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// traceLimit bounds one trace, what provokes the packets included.
const traceLimit = time.Second

// Flight is the packets that are followed: TCP's first ones to an address and a port, and the answers to them; or those of
// UDP.
type Flight struct {
	To  netip.AddrPort
	UDP bool
	UID *uint32 // whose sockets send them; nil: anybody's
}

// Fate is what became of the packets that were followed.
type Fate struct {
	Packets int  // that were seen; 0 where none got as far as netfilter
	End     *End // of the first that a rule of nftables ended; nil: none did
	// Lost says that one was not ended by nftables and yet did not get through: legacy iptables, a program that a queue
	// leads to or connection tracking has it.
	Lost       bool
	LostAnswer bool // that one is an answer to a connection attempt
}

// End is the rule, or the policy of a chain, that ended a packet. Names and texts are printable ASCII, and short.
type End struct {
	Family, Table, Chain string
	Handle               uint64 // of the rule; 0: the chain's policy did
	Queued               bool   // it was handed to a program, which did not give it back; else it was dropped, or rejected
	Answer               bool   // the packet was the answer to the connection attempt
	Rule                 string // in nft words; empty for a policy, and where the rule cannot be read
	Comment              string // the rule's own
}

// ErrTracing says that somebody else follows packets just now. It is over within a second.
var ErrTracing = errors.New("another trace runs")

// Trace follows what provoke sends through the tables of nftables in the network namespace of the calling thread, on which
// provoke is called, and says where it ended. For as long as that takes, a second at most, there is a table of its own
// (inet sallyport-trace), which sets the mark `meta nftrace` on the first packets of this flight and judges nothing. It
// belongs to the connection that made it (flag owner, kernel 5.12), so that the kernel takes it away if this process dies;
// on older kernels the next trace does.
//
// Of what a BPF program or a route does to a packet nothing is seen. That provoke fails is no error: it is what is looked
// into. The errors are ErrTracing, ErrNotPermitted, ErrNoNftables, ErrUnsupported, and those of socket(2).
func Trace(ctx context.Context, flight Flight, provoke func(ctx context.Context) error) (fate Fate, err error) {
	runtime.LockOSThread() // sockets are of the thread's namespace
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(ctx, traceLimit)
	defer cancel()
	flight.To = netip.AddrPortFrom(flight.To.Addr().Unmap().WithZone(""), flight.To.Port())
	seen, err := follow(ctx, flight, provoke)
	if err != nil {
		return Fate{}, fmt.Errorf("kernel: trace packets to %s: %w", flight.To, reason(err))
	}
	fate = seen.fate()
	if fate.End != nil {
		fate.End.explain(ctx, seen.end)
	}
	return fate, nil
}

// follow has the table there while the packets are provoked, and listens.
func follow(ctx context.Context, flight Flight, provoke func(context.Context) error) (seen *sighting, err error) {
	ear, err := newTraceEar()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ear.close()) }()
	nft, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, err
	}
	// Whatever comes, also a panic: the connection's end takes the table with it, where the kernel knows of owners.
	defer func() { err = errors.Join(err, nft.CloseLasting()) }()
	if err := setTrace(nft, flight); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, endTrace(nft)) }()
	_ = provoke(ctx) // how it fails is known, and why is seen
	return ear.sighted()
}

// setTrace makes the table. One that is left of a process that was killed goes first; one that a living process owns
// cannot be deleted.
func setTrace(nft *nftables.Conn, flight Flight) error {
	if err := endTrace(nft); errors.Is(err, unix.EPERM) && traced(nft) {
		return ErrTracing
	} else if err != nil {
		return err
	}
	var err error
	for _, flags := range []nftables.TableFlags{nftables.TableFlagOwner, 0} {
		addTrace(nft, flight, flags)
		if err = nft.Flush(); !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	switch {
	case errors.Is(err, unix.EPERM) && traced(nft), errors.Is(err, unix.EEXIST), errors.Is(err, unix.EBUSY):
		return ErrTracing // it came first
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: meta nftrace (CONFIG_NF_TABLES_INET, Linux 4.6): %w", ErrUnsupported, err)
	}
	return err
}

// traced says whether the table is there.
func traced(nft *nftables.Conn) bool {
	_, err := nft.ListTableOfFamily(traceTable, nftables.TableFamilyINet)
	return err == nil
}

// endTrace deletes the table. That there is none is no error.
func endTrace(nft *nftables.Conn) error {
	nft.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: traceTable})
	if err := nft.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}
