package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// What Peers may come to besides the context's errors and those of socket(2), for errors.Is.
var (
	// ErrNoDiag says that the kernel cannot list TCP sockets.
	ErrNoDiag = errors.New("the kernel cannot list TCP connections: load the module tcp_diag")
	// ErrTooManyConnections says that there are more than Peers reads.
	ErrTooManyConnections = fmt.Errorf("more than %d TCP sockets of one family", maxSockets)
)

var errMalformed = errors.New("malformed sock_diag answer")

const (
	maxSockets  = 1 << 16         // of one family: some 6 MiB of answers
	peersLimit  = 5 * time.Second // when the caller sets no nearer deadline
	diagBuffer  = 64 << 10        // above the 32 KiB in which the kernel fills a dump for a reader that takes as much
	diagRequest = 56              // struct inet_diag_req_v2 (linux/inet_diag.h)
	diagAnswer  = 72              // struct inet_diag_msg, without what follows it

	diagIdentity = 48 // struct inet_diag_sockid, at the end of the one and after four bytes of the other
)

// States of a TCP socket (linux/tcp_states.h).
const (
	tcpEstablished = 1
	tcpListen      = 10
)

// Peers is the established TCP connections of the calling thread's network namespace with others, of every process and
// both families, by sock_diag(7). Those of the host with itself are left out: no packet of theirs comes in from outside; so
// are those that the host began, where their port is one that the kernel gives to such connections. It needs no privilege:
// addresses are told to everybody (kernel 6.18). It takes at most five seconds, less where the context ends sooner.
func Peers(ctx context.Context) ([]firewall.Peer, error) {
	var peers []firewall.Peer
	err := connected(ctx, 1<<tcpEstablished, func(_ *netlink.Conn, list []firewall.Peer, _ []socket) {
		peers = list
	})
	return peers, err
}

// connected lists the connections with others that are in one of the states, and hands them over with their sockets, and
// with the connection to the kernel by which they were listed.
func connected(ctx context.Context, states uint32, take func(*netlink.Conn, []firewall.Peer, []socket)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, peersLimit,
		fmt.Errorf("no list of TCP connections in %s: %w", peersLimit, context.DeadlineExceeded))
	defer cancel()
	own, err := OwnAddresses()
	if err != nil {
		return fmt.Errorf("sockets: list the host's addresses: %w", err)
	}
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{MessageBufferSize: diagBuffer})
	if err != nil {
		return fmt.Errorf("sockets: open a socket to list connections: %w", diagReason(err))
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	all, err := allSockets(ctx, conn, states|1<<tcpListen)
	if err != nil {
		return err
	}
	list, bound, of := peers(all, own, portsGiven())
	if err := placePeers(ctx, list, bound); err != nil {
		return fmt.Errorf("sockets: %w", err)
	}
	take(conn, list, of)
	return nil
}

// allSockets lists those of both address families that are in one of the states, or listen.
func allSockets(ctx context.Context, conn *netlink.Conn, states uint32) ([]socket, error) {
	var all []socket
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		list, err := sockets(conn, family, states)
		if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("sockets: list TCP connections: %w", err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// OwnAddresses is the addresses that the interfaces of the calling thread's network namespace have. IPv4 ones are not
// written as IPv6.
func OwnAddresses() (map[netip.Addr]bool, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	own := make(map[netip.Addr]bool, len(list))
	for _, a := range list {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own[prefix.Addr().Unmap()] = true
		}
	}
	return own, nil
}

// socket is what the kernel tells of one.
type socket struct {
	state         byte
	local, remote netip.AddrPort
	bound         uint32 // index of the interface that it is bound to; 0: none

	family   byte
	identity [diagIdentity]byte // struct inet_diag_sockid, by which the kernel finds it again
}

// peers makes peers of the sockets that are connected to others, and tells the interface that each is bound to, and the
// sockets themselves. Without a listener, what has a port that the kernel gives to connections going out is one.
func peers(all []socket, own map[netip.Addr]bool, out given) (list []firewall.Peer, bound []uint32, of []socket) {
	listened := make(map[uint16]bool)
	for _, s := range all {
		if s.state == tcpListen {
			listened[s.local.Port()] = true
		}
	}
	for _, s := range all {
		from, port := s.remote.Addr(), s.local.Port()
		if s.state == tcpListen || from.IsLoopback() || own[from] || !listened[port] && out.has(port) {
			continue
		}
		list = append(list, firewall.Peer{Local: s.local, Remote: s.remote, Listened: listened[port]})
		bound, of = append(bound, s.bound), append(of, s)
	}
	return list, bound, of
}

// sockets lists those of one address family that are in one of the states, as bits. An IPv4 connection of an IPv6 socket is
// listed with IPv6.
func sockets(conn *netlink.Conn, family byte, states uint32) ([]socket, error) {
	sent, err := conn.Send(netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
		Data:   diagQuestion(family, states),
	})
	if err != nil {
		return nil, diagReason(err)
	}
	var list []socket
	var failure error
	for m, err := range conn.ReceiveIter() {
		switch {
		case err != nil:
			return nil, diagReason(err)
		case failure != nil: // read on to the end: the other family is asked on the same socket
		case m.Header.Sequence != sent.Header.Sequence:
			failure = fmt.Errorf("netlink answer %d to request %d", m.Header.Sequence, sent.Header.Sequence)
		case len(list) == maxSockets:
			failure = ErrTooManyConnections
		default:
			var s socket
			s, failure = parseSocket(m.Data)
			list = append(list, s)
		}
	}
	return list, failure
}

// diagQuestion is a struct inet_diag_req_v2: family, protocol, extensions, padding, the states as bits, and a socket's
// identity, which a dump does not look at.
func diagQuestion(family byte, states uint32) []byte {
	b := make([]byte, diagRequest)
	b[0], b[1] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], states)
	return b
}

// parseSocket reads a struct inet_diag_msg: family, state, timer, retransmissions, then the identity: the local and the
// remote port, in network byte order, the addresses in 16 bytes each, the interface that the socket is bound to, a cookie.
func parseSocket(b []byte) (socket, error) {
	if len(b) < diagAnswer {
		return socket{}, fmt.Errorf("%w: a socket of %d bytes", errMalformed, len(b))
	}
	address := func(at int) (netip.Addr, error) {
		switch b[0] {
		case unix.AF_INET:
			return netip.AddrFrom4([4]byte(b[at:])), nil
		case unix.AF_INET6:
			return netip.AddrFrom16([16]byte(b[at:])).Unmap(), nil
		default:
			return netip.Addr{}, fmt.Errorf("%w: a socket of the address family %d", errMalformed, b[0])
		}
	}
	local, err := address(8)
	if err != nil {
		return socket{}, err
	}
	remote, err := address(24)
	return socket{
		family: b[0], identity: [diagIdentity]byte(b[4:]),
		state:  b[1],
		local:  netip.AddrPortFrom(local, binary.BigEndian.Uint16(b[4:])),
		remote: netip.AddrPortFrom(remote, binary.BigEndian.Uint16(b[6:])),
		bound:  binary.NativeEndian.Uint32(b[40:]),
	}, err
}

// diagReason puts our word before what the kernel says when it has no sock_diag for TCP.
func diagReason(err error) error {
	for _, number := range []unix.Errno{unix.ENOENT, unix.EPROTONOSUPPORT, unix.EINVAL} {
		if errors.Is(err, number) {
			return fmt.Errorf("%w: %w", ErrNoDiag, number)
		}
	}
	return err
}
