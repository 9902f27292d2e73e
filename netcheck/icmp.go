package netcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// icmpError is a connection that failed together with the ICMP message that ended it. connect(2) alone says
// EHOSTUNREACH to most of them; the socket's error queue (ip(7), IP_RECVERR; for TCP since kernel 5.9) has the type, the
// code and who sent it.
type icmpError struct {
	err        error
	target     netip.Addr
	origin     byte // who made the error: the kernel itself, or ICMP
	kind, code byte // RFC 792, RFC 4443
	from       netip.Addr
}

// Origins of an error (linux/errqueue.h).
const (
	originICMP  = 2
	originICMP6 = 3
)

func (e *icmpError) Error() string { return e.err.Error() }
func (e *icmpError) Unwrap() error { return e.err }

// remote says that a message came, and the kernel did not refuse by itself.
func (e *icmpError) remote() bool { return e.origin == originICMP || e.origin == originICMP6 }

// words are the message as a person reads it.
func (e *icmpError) words() string {
	name := fmt.Sprintf("type %d code %d", e.kind, e.code)
	if known := unreachableName(e.origin, e.code); known != "" && e.unreachable() {
		name = known
	}
	return fmt.Sprintf("ICMP %s from %s", name, e.from)
}

// unreachable says that the message is a Destination Unreachable: type 3 of ICMP, type 1 of ICMPv6.
func (e *icmpError) unreachable() bool {
	return e.origin == originICMP && e.kind == 3 || e.origin == originICMP6 && e.kind == 1
}

// unreachableName is the name of a Destination Unreachable's code (RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 section
// 3.1).
func unreachableName(origin, code byte) string {
	names := map[byte]string{
		0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
		9: "network administratively prohibited", 10: "host administratively prohibited",
		13: "communication administratively prohibited",
	}
	if origin == originICMP6 {
		names = map[byte]string{
			0: "no route", 1: "communication administratively prohibited", 2: "beyond the scope of the source address",
			3: "address unreachable", 4: "port unreachable", 5: "source address failed the policy", 6: "route rejected",
		}
	}
	return names[code]
}

// errorQueue keeps a second descriptor of a socket that is being connected, for the dialer closes its own when it fails.
// It belongs to one dial, and must be closed.
type errorQueue struct {
	fd int
}

// watch is a net.Dialer's Control: it asks for the error queue. Where the system does not give it, the plain error must
// do.
func (q *errorQueue) watch(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		dup, err := fcntlDup(int(fd))
		if err != nil {
			return
		}
		q.fd = dup
		setQueue(dup, 1)
	})
}

// close gives the second descriptor back and, for a connection that stands, makes errors soft again.
func (q *errorQueue) close() {
	if q.fd < 0 {
		return
	}
	setQueue(q.fd, 0)
	_ = syscall.Close(q.fd) // nothing was written to it
	q.fd = -1
}

// setQueue tries both families: one of them does not fit the socket.
func setQueue(fd, on int) {
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVERR, on)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, on)
}

func fcntlDup(fd int) (int, error) {
	dup, _, number := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if number != 0 {
		return -1, number
	}
	return int(dup), nil
}

// explain adds what the queue knows to an error of connect(2). A timeout may have a message too: while a socket is busy
// sending its SYN, the kernel keeps one that comes back at once, from a firewall here, for the next SYN a second later.
func (q *errorQueue) explain(err error, target netip.Addr) error {
	number, _ := errors.AsType[syscall.Errno](err)
	if q.fd < 0 || !saidByICMP(number) && !isTimeout(err) {
		return err
	}
	control := make([]byte, 512)
	_, n, _, _, failed := syscall.Recvmsg(q.fd, nil, control, syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
	if failed != nil {
		return err // an empty queue: no message came
	}
	messages, failed := syscall.ParseSocketControlMessage(control[:n])
	if failed != nil {
		return err
	}
	told := &icmpError{err: err, target: target}
	for _, m := range messages {
		told.read(m.Data)
	}
	if !told.remote() {
		return err
	}
	return told
}

// saidByICMP lists what an ICMP message may have become (icmp_err_convert and icmpv6_err_convert in the kernel): to
// IPv6, a prohibition is EACCES.
func saidByICMP(number syscall.Errno) bool {
	switch number {
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ECONNREFUSED, syscall.EACCES, syscall.EHOSTDOWN:
		return true
	default:
		return false
	}
}

// prohibits says that the message is about a rule, not about a way.
func (e *icmpError) prohibits() bool {
	if e.origin == originICMP {
		return e.unreachable() && (e.code == 9 || e.code == 10 || e.code == 13)
	}
	return e.unreachable() && (e.code == 1 || e.code == 5 || e.code == 6)
}

// own says that the message came from an address of this host, and so from a firewall here.
func (e *icmpError) own() bool {
	addresses, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(addresses, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == e.from
	})
}

// read takes a struct sock_extended_err and the sender's socket address behind it (linux/errqueue.h).
func (e *icmpError) read(data []byte) {
	const header, inet, inet6 = 16, 16, 28
	if len(data) < header+inet {
		return
	}
	e.origin, e.kind, e.code = data[4], data[5], data[6]
	switch sender := data[header:]; binary.NativeEndian.Uint16(sender) {
	case syscall.AF_INET:
		e.from = netip.AddrFrom4([4]byte(sender[4:8]))
	case syscall.AF_INET6:
		if len(sender) >= inet6 {
			e.from = netip.AddrFrom16([16]byte(sender[8:24]))
		}
	}
}
