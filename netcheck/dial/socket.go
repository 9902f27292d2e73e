package dial

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket keeps a second descriptor of a socket that connects, for net.Dialer closes its own before one could ask it why
// the connection failed.
type socket struct {
	Options
	fd int // -1 where there is none
}

// prepare is a net.Dialer's Control: it binds to the interface and asks for the error queue. Where the system does not
// give the queue, the plain error must do.
func (s *socket) prepare(_, _ string, raw syscall.RawConn) error {
	s.close() // net.Dialer tries up to three sockets where no port was free, or it met itself
	var failed error
	err := raw.Control(func(fd uintptr) {
		if failed = s.bind(int(fd)); failed != nil {
			return
		}
		dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return
		}
		s.fd = dup
		setQueue(dup, 1)
	})
	return errors.Join(failed, err)
}

// bind fixes from where the socket sends. A source address without a port is to take none before the connection is made:
// taken then, it need only be free towards the one peer (IP_BIND_ADDRESS_NO_PORT, kernel 4.2).
func (s *socket) bind(fd int) error {
	if s.Source.IsValid() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) // without it, a port is taken early
	}
	if s.Interface == "" {
		return nil
	}
	err := unix.BindToDevice(fd, s.Interface)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.ENODEV):
		return s.lacks(NoInterface, err)
	default:
		return s.lacks(InterfaceDenied, err)
	}
}

// close gives the second descriptor back and, for a connection that stands, makes errors soft again.
func (s *socket) close() {
	if s.fd < 0 {
		return
	}
	setQueue(s.fd, 0)
	_ = unix.Close(s.fd) // nothing was written to it
	s.fd = -1
}

// explain adds what the kernel knows to an error of a connection that was not made.
func (s *socket) explain(err error, target netip.Addr) error {
	if lacking, ok := errors.AsType[*SourceError](err); ok {
		return lacking
	}
	number, _ := errors.AsType[syscall.Errno](err)
	if called, ok := errors.AsType[*os.SyscallError](err); ok && called.Syscall == "bind" {
		return s.lacks(notBound(number), err)
	}
	if told := s.message(err, number, target); told != nil {
		return told
	}
	if lack, ok := s.interfaceState(); ok && (isTimeout(err) || noWay(number)) {
		return s.lacks(lack, err)
	}
	if number == syscall.EADDRNOTAVAIL && (target.Is4() || target.IsLoopback() || HasFamily(target)) {
		return s.lacks(NoPort, err) // to IPv6 it may also be a want of addresses (ipv6_dev_get_saddr in the kernel)
	}
	return err
}

// notBound is what a bind(2) to the source address says: all of its ports may be taken where the kernel took one early.
func notBound(number syscall.Errno) Lack {
	if number == syscall.EADDRINUSE {
		return NoPort
	}
	return NoSource
}

// noWay lists what a connection through an interface that cannot send comes to.
func noWay(number syscall.Errno) bool {
	switch number {
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN, syscall.ENODEV, syscall.EADDRNOTAVAIL:
		return true
	default:
		return false
	}
}

// interfaceState is what keeps the interface of the options from sending, where something does.
func (s *socket) interfaceState() (Lack, bool) {
	if s.Interface == "" || s.fd < 0 {
		return 0, false
	}
	request, err := unix.NewIfreq(s.Interface)
	if err != nil {
		return 0, false
	}
	if err := unix.IoctlIfreq(s.fd, unix.SIOCGIFFLAGS, request); err != nil {
		return NoInterface, errors.Is(err, unix.ENODEV)
	}
	flags := request.Uint16()
	if flags&unix.IFF_UP == 0 {
		return InterfaceDown, true
	}
	return NoCarrier, flags&unix.IFF_RUNNING == 0
}

// isTimeout says that time ran out, ours or the kernel's.
func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}
