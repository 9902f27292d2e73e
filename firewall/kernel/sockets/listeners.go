package sockets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrTooManyListeners says that there are more than Listeners reads.
var ErrTooManyListeners = fmt.Errorf("more than %d listening sockets", maxListeners)

const (
	maxListeners   = 1 << 14         // far above what a host has, low enough to be shown
	listenersLimit = 5 * time.Second // when the caller sets no nearer deadline
)

// Transport is what a socket speaks, by its common name.
type Transport string

// The transports of which sockets are listed.
const (
	TCP     Transport = "tcp"
	UDP     Transport = "udp"
	UDPLite Transport = "udplite"
	SCTP    Transport = "sctp"
	Raw     Transport = "raw"    // IP packets of one protocol, after the ruleset
	Packet  Transport = "packet" // whole frames, before any ruleset of the hook input
)

// Listener is a socket that takes packets nobody asked for: a listening one, or one without a connection that is bound to
// a port.
type Listener struct {
	Transport Transport
	MPTCP     bool // a TCP listener that speaks multipath TCP too (RFC 8684)

	// Address is where it listens. The unspecified address is every one of its family; an IPv6 one is every IPv4 address
	// too, unless V6Only. It is the zero Addr for a packet socket, which has none.
	Address netip.Addr
	V6Only  bool
	// Port is the port; of a raw socket the IP protocol, of a packet socket the EtherType (3: all).
	Port uint16

	Interface string // the only one that it takes packets from; empty: any
	UID       uint32 // of who made it, as our user namespace numbers it
	Inode     uint32 // of the socket
	Process   Process
}

// Loopback says whether only this host itself reaches the socket.
func (l Listener) Loopback() bool { return l.Address.IsLoopback() || l.Interface == "lo" }

// Listening is the sockets of a network namespace that take packets nobody asked for, and what could not be told of them.
type Listening struct {
	Sockets []Listener // by transport, port and address
	// Unlisted are transports that the kernel has, and whose sockets it cannot list: a module is missing.
	Unlisted []Transport
	// Hidden says that the processes of some sockets could not be told: another user's, and we are not root.
	Hidden bool
}

// Listeners lists the listening sockets of the calling thread's network namespace, of every process, in both families,
// with the process that holds each. It needs no privilege for the sockets, and CAP_SYS_PTRACE (root) for processes of
// other users. It takes at most five seconds, less where the context ends sooner. The errors are ErrNoDiag,
// ErrTooManyListeners, and the context's.
func Listeners(ctx context.Context) (Listening, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, listenersLimit,
		fmt.Errorf("no list of listening sockets in %s: %w", listenersLimit, context.DeadlineExceeded))
	defer cancel()
	names, err := interfaceNames()
	if err != nil {
		return Listening{}, fmt.Errorf("sockets: list the host's interfaces: %w", err)
	}
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{MessageBufferSize: diagBuffer})
	if err != nil {
		return Listening{}, fmt.Errorf("sockets: open a socket to list listeners: %w", diagReason(err))
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	found, err := askEach(conn, names)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return Listening{}, fmt.Errorf("sockets: list listening sockets: %w", err)
	}
	found.Sockets = tidy(found.Sockets)
	found.Hidden = addProcesses(ctx, procRoot, found.Sockets)
	return found, nil
}

// askEach asks for the sockets of each transport in turn.
func askEach(conn *netlink.Conn, names map[uint32]string) (Listening, error) {
	var found Listening
	for _, ask := range []struct {
		transport Transport
		protocol  string // as /proc/net/protocols names it
		list      func() ([]Listener, error)
	}{
		{TCP, "TCP", func() ([]Listener, error) { return listenersOf(conn, names, unix.IPPROTO_TCP) }},
		{TCP, "MPTCP", func() ([]Listener, error) { return listenersOf(conn, names, unix.IPPROTO_MPTCP) }},
		{UDP, "UDP", func() ([]Listener, error) { return listenersOf(conn, names, unix.IPPROTO_UDP) }},
		{UDPLite, "UDP-Lite", func() ([]Listener, error) { return listenersOf(conn, names, unix.IPPROTO_UDPLITE) }},
		{SCTP, "SCTP", func() ([]Listener, error) { return listenersOf(conn, names, unix.IPPROTO_SCTP) }},
		{Packet, "PACKET", func() ([]Listener, error) { return packetSockets(conn, names) }},
		{Raw, "RAW", rawSockets},
	} {
		list, err := ask.list()
		switch {
		case errors.Is(err, ErrNoDiag):
			if hasProtocol(ask.protocol) && !slices.Contains(found.Unlisted, ask.transport) {
				found.Unlisted = append(found.Unlisted, ask.transport)
			}
		case err != nil:
			return Listening{}, fmt.Errorf("%s: %w", ask.transport, err)
		case len(found.Sockets)+len(list) > maxListeners:
			return Listening{}, ErrTooManyListeners
		default:
			found.Sockets = append(found.Sockets, list...)
		}
	}
	return found, nil
}

// tidy sorts the sockets, and takes out the TCP listener that stands behind an MPTCP one (its first subflow): it is the
// kernel's, and the same.
func tidy(all []Listener) []Listener {
	type place struct {
		at   netip.AddrPort
		name string
	}
	multipath := make(map[place]bool)
	for _, l := range all {
		if l.MPTCP {
			multipath[place{netip.AddrPortFrom(l.Address, l.Port), l.Interface}] = true
		}
	}
	all = slices.DeleteFunc(all, func(l Listener) bool {
		return l.Transport == TCP && !l.MPTCP &&
			multipath[place{netip.AddrPortFrom(l.Address, l.Port), l.Interface}]
	})
	order := []Transport{
		TCP, UDP, UDPLite, SCTP, Raw, Packet,
	}
	slices.SortFunc(all, func(a, b Listener) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Transport), slices.Index(order, b.Transport)), cmp.Compare(a.Port, b.Port),
			a.Address.Compare(b.Address), cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.Inode, b.Inode))
	})
	return all
}
