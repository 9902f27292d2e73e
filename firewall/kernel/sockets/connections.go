package sockets

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall/kernel/attribute"
)

const (
	// maxConnections bounds the connections of one user that are told of.
	maxConnections = 256
	// maxPorts bounds the ports that are asked for: the kernel tries one after another for each socket.
	maxPorts = 64

	inetDiagBytecode = 1 // attribute of a request: which sockets are meant (linux/inet_diag.h)
	inetDiagInfo     = 2 // attribute of an answer: struct tcp_info
	diagExtensionsAt = 2 // idiag_ext in struct inet_diag_req_v2: the attributes that are wanted, as bits from 1 on

	diagJump     = 1  // INET_DIAG_BC_JMP
	diagRemoteIs = 12 // INET_DIAG_BC_D_EQ: the remote port is that of the next operation; kernel 4.20
	diagOpSize   = 4  // struct inet_diag_bc_op
)

// State is a state of a TCP socket (linux/tcp_states.h).
type State uint8

// The states in which a socket has a peer, those aside that belong to no user any more, as TIME-WAIT.
const (
	Established State = 1
	SynSent     State = 2
	FinWait1    State = 4
	FinWait2    State = 5
	CloseWait   State = 8
	LastAck     State = 9
	Closing     State = 11

	connectedStates = 1<<Established | 1<<SynSent | 1<<FinWait1 | 1<<FinWait2 | 1<<CloseWait | 1<<LastAck | 1<<Closing
)

// Timer is what a socket waits for (idiag_timer in struct inet_diag_msg).
type Timer uint8

// The timers that say how a connection is.
const (
	TimerRetransmit Timer = 1 // what was sent is not acknowledged; in SYN-SENT the SYN
	TimerProbe      Timer = 4 // the peer takes nothing more in for now (RFC 9293 section 3.8.6.1)
)

// Connection is a TCP connection of a user. IPv4 addresses are not written as IPv6.
type Connection struct {
	Local, Remote netip.AddrPort
	State         State
	ID            uint64 // of the socket: tells it from another that comes to the same addresses later

	Timer       Timer
	Retransmits int           // how often the timer has run out since something was acknowledged
	Expires     time.Duration // until the timer runs out again
	RTO         time.Duration // how long the timer runs at present (RFC 6298)

	ReceiveQueue, SendQueue uint32 // bytes that the program has not read, that the peer has not acknowledged

	Info *Info // nil where the kernel does not tell
}

// Info is a part of what the kernel knows of a TCP connection (struct tcp_info, linux/tcp.h).
type Info struct {
	Unacked, TotalRetransmits uint32        // segments
	RTT                       time.Duration // smoothed; 0: not measured yet
	SinceSent, SinceReceived  time.Duration // since data went out, came in
	SinceAcknowledged         time.Duration // since the peer acknowledged something
	Sent, Received            uint64        // bytes that were acknowledged, that came in
}

// Connections is the TCP connections that a user's processes have to remote ports, in the calling thread's network
// namespace, by sock_diag(7); total counts them, of which the first 256 are told. It needs no privilege. At most 64 ports
// are asked for. It takes at most five seconds, less where the context ends sooner. The errors are those of Peers.
func Connections(ctx context.Context, uid uint32, ports []uint16) (list []Connection, total int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, peersLimit,
		fmt.Errorf("no list of TCP connections in %s: %w", peersLimit, context.DeadlineExceeded))
	defer cancel()
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &netlink.Config{MessageBufferSize: diagBuffer})
	if err != nil {
		return nil, 0, fmt.Errorf("sockets: open a socket to list connections: %w", diagReason(err))
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	of := ofUser{uid: uid}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := of.dump(conn, connectionsQuestion(family, ports)); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, 0, fmt.Errorf("sockets: list TCP connections: %w", err)
		}
	}
	return of.list, of.total, nil
}

// ofUser gathers the connections of a user.
type ofUser struct {
	uid   uint32
	list  []Connection
	total int
}

// dump takes the answers to one question.
func (of *ofUser) dump(conn *netlink.Conn, question []byte) error {
	sent, err := conn.Send(netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
		Data:   question,
	})
	if err != nil {
		return diagReason(err)
	}
	var failure error
	read := 0
	for m, err := range conn.ReceiveIter() {
		read++
		switch {
		case err != nil:
			return diagReason(err)
		case failure != nil: // read on to the end: the other family is asked on the same socket
		case m.Header.Sequence != sent.Header.Sequence:
			failure = fmt.Errorf("netlink answer %d to request %d", m.Header.Sequence, sent.Header.Sequence)
		case read > maxSockets:
			failure = ErrTooManyConnections
		default:
			failure = of.take(m.Data)
		}
	}
	return failure
}

// take adds what one answer tells, where it is of the user.
func (of *ofUser) take(b []byte) error {
	if len(b) < diagAnswer {
		return fmt.Errorf("%w: a socket of %d bytes", errMalformed, len(b))
	}
	if binary.NativeEndian.Uint32(b[64:]) != of.uid {
		return nil
	}
	if of.total++; of.total > maxConnections {
		return nil
	}
	c, err := parseConnection(b)
	of.list = append(of.list, c)
	return err
}

// parseConnection reads a struct inet_diag_msg with its attributes: what parseSocket reads, and the timer before the
// identity, expiry and queues after it.
func parseConnection(b []byte) (Connection, error) {
	s, err := parseSocket(b)
	if err != nil {
		return Connection{}, err
	}
	c := Connection{
		Local: s.local, Remote: s.remote, State: State(s.state), Timer: Timer(b[2]), Retransmits: int(b[3]),
		ID:           binary.NativeEndian.Uint64(b[44:]),
		Expires:      time.Duration(binary.NativeEndian.Uint32(b[52:])) * time.Millisecond,
		ReceiveQueue: binary.NativeEndian.Uint32(b[56:]), SendQueue: binary.NativeEndian.Uint32(b[60:]),
	}
	info, err := attribute.Find(b[diagAnswer:], inetDiagInfo)
	if err != nil {
		return Connection{}, fmt.Errorf("%w: %w", errMalformed, err)
	}
	if len(info) >= tcpInfoSize {
		c.RTO = micros(info[8:])
		c.Info = parseInfo(info)
	}
	return c, nil
}

// tcpInfoSize is how much of struct tcp_info is read: up to tcpi_bytes_received (kernel 4.1).
const tcpInfoSize = 136

func parseInfo(b []byte) *Info {
	millis := func(at int) time.Duration {
		return time.Duration(binary.NativeEndian.Uint32(b[at:])) * time.Millisecond
	}
	return &Info{
		Unacked:   binary.NativeEndian.Uint32(b[24:]),
		SinceSent: millis(44), SinceReceived: millis(52), SinceAcknowledged: millis(56),
		RTT: micros(b[68:]), TotalRetransmits: binary.NativeEndian.Uint32(b[100:]),
		Sent: binary.NativeEndian.Uint64(b[120:]), Received: binary.NativeEndian.Uint64(b[128:]),
	}
}

func micros(b []byte) time.Duration {
	return time.Duration(binary.NativeEndian.Uint32(b)) * time.Microsecond
}

// connectionsQuestion is diagQuestion for connections to some remote ports, with struct tcp_info.
func connectionsQuestion(family byte, ports []uint16) []byte {
	b := diagQuestion(family, connectedStates)
	b[diagExtensionsAt] = 1 << (inetDiagInfo - 1)
	return attribute.Append(b, inetDiagBytecode, remotePorts(ports))
}

// remotePorts is the kernel's bytecode (inet_diag_bc_run) for a socket whose remote port is one of these: for each port a
// comparison, then a jump to the very end, which takes the socket. A jump beyond the end leaves it out. The kernel asks
// that the operations follow one another where all of them hold (inet_diag_bc_audit), which is why a comparison that
// holds goes on to a jump.
func remotePorts(ports []uint16) []byte {
	ports = slices.Clone(ports)
	slices.Sort(ports)
	ports = slices.Compact(ports)
	ports = ports[:min(len(ports), maxPorts)]
	const compare, jump = 2 * diagOpSize, diagOpSize
	var b []byte
	op := func(code, yes byte, no uint16) {
		b = binary.NativeEndian.AppendUint16(append(b, code, yes), no)
	}
	for i, port := range ports {
		left := (len(ports)-i)*(compare+jump) - jump // of bytecode, this comparison included
		if i == len(ports)-1 {
			op(diagRemoteIs, compare, compare+diagOpSize)
			op(0, 0, port)
			break
		}
		op(diagRemoteIs, compare, compare+jump)
		op(0, 0, port)
		op(diagJump, jump, uint16(left-compare))
	}
	return b
}
