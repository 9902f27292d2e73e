package dial

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// ICMPError is a connection that failed, with the ICMP message that ended it. connect(2) alone says EHOSTUNREACH to
// most of them; the socket's error queue (ip(7), IP_RECVERR; for TCP since kernel 5.9) has the type, the code and who
// sent it.
type ICMPError struct {
	Err        error      // connect(2)'s own
	Target     netip.Addr // which was connected to
	From       netip.Addr // who sent the message
	Type, Code byte       // RFC 792 where From is an IPv4 address, else RFC 4443
}

// Origins of an error (linux/errqueue.h).
const (
	originICMP  = 2
	originICMP6 = 3
)

// Error is connect(2)'s.
func (e *ICMPError) Error() string { return e.Err.Error() }

// Unwrap is connect(2)'s error.
func (e *ICMPError) Unwrap() error { return e.Err }

// Words are the message as a person reads it.
func (e *ICMPError) Words() string {
	name := fmt.Sprintf("type %d code %d", e.Type, e.Code)
	if known := unreachableName(e.From, e.Code); known != "" && e.Unreachable() {
		name = known
	}
	return fmt.Sprintf("ICMP %s from %s", name, e.From)
}

// Unreachable says that the message is a Destination Unreachable: type 3 of ICMP, type 1 of ICMPv6.
func (e *ICMPError) Unreachable() bool {
	if e.From.Is4() {
		return e.Type == 3
	}
	return e.Type == 1
}

// unreachableName is the name of a Destination Unreachable's code (RFC 792, RFC 1812 section 5.2.7.1; RFC 4443 section
// 3.1).
func unreachableName(from netip.Addr, code byte) string {
	names := map[byte]string{
		0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable",
		9: "network administratively prohibited", 10: "host administratively prohibited",
		13: "communication administratively prohibited",
	}
	if from.Is6() {
		names = map[byte]string{
			0: "no route", 1: "communication administratively prohibited", 2: "beyond the scope of the source address",
			3: "address unreachable", 4: "port unreachable", 5: "source address failed the policy", 6: "route rejected",
		}
	}
	return names[code]
}

// setQueue tries both families: one of them does not fit the socket.
func setQueue(fd, on int) {
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVERR, on)
	_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, on)
}

// message is the error together with the ICMP message in the queue that explains it; nil where none came. A timeout may
// have a message too: while a socket is busy sending its SYN, the kernel keeps one that comes back at once, from a
// firewall here, for the next SYN a second later.
func (s *socket) message(err error, number syscall.Errno, target netip.Addr) error {
	if s.fd < 0 || !saidByICMP(number) && !isTimeout(err) {
		return nil
	}
	control := make([]byte, 512)
	_, n, _, _, failed := syscall.Recvmsg(s.fd, nil, control, syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
	if failed != nil {
		return nil // an empty queue: no message came
	}
	messages, failed := syscall.ParseSocketControlMessage(control[:n])
	if failed != nil {
		return nil
	}
	told := &ICMPError{Err: err, Target: target}
	if !slices.ContainsFunc(messages, func(m syscall.SocketControlMessage) bool { return told.read(m.Data) }) {
		return nil // the kernel itself refused, and the error says it
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

// Prohibits says that the message is about a rule, not about a way.
func (e *ICMPError) Prohibits() bool {
	if e.From.Is4() {
		return e.Unreachable() && (e.Code == 9 || e.Code == 10 || e.Code == 13)
	}
	return e.Unreachable() && (e.Code == 1 || e.Code == 5 || e.Code == 6)
}

// Own says that the message is about another host, but came from an address of this one, and so from a firewall or a
// route here.
func (e *ICMPError) Own() bool {
	if e.From == e.Target {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return bindable(e.From)
	}
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == e.From
	})
}

// bindable says that the kernel would send from the address, which is how to tell one's own address in a sandbox without
// netlink (but not where ip_nonlocal_bind is set). Nothing is sent.
func bindable(a netip.Addr) bool {
	family, sender := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: a.As16()})
	if a.Is4() {
		family, sender = unix.AF_INET, &unix.SockaddrInet4{Addr: a.As4()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Bind(fd, sender) == nil
}

// read takes a struct sock_extended_err and the sender's socket address behind it (linux/errqueue.h). It is false for
// anything else, and for an error that the kernel made by itself.
func (e *ICMPError) read(data []byte) bool {
	const header, inet, inet6 = 16, 16, 28
	if len(data) < header+inet {
		return false
	}
	origin := data[4]
	e.Type, e.Code = data[5], data[6]
	sender := data[header:]
	family := binary.NativeEndian.Uint16(sender)
	switch {
	case origin == originICMP && family == unix.AF_INET:
		e.From = netip.AddrFrom4([4]byte(sender[4:8]))
	case origin == originICMP6 && family == unix.AF_INET6 && len(sender) >= inet6:
		e.From = netip.AddrFrom16([16]byte(sender[8:24]))
	}
	return e.From.IsValid()
}
