package proof

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ears hear what gets in: raw sockets, one for each family and transport protocol. The kernel gives them a copy of every
// packet that has come past all hooks of the way in (ip_local_deliver_finish, ip6_input_finish), whether or not anybody
// listens on its port. An answer says less: it may be held back by a rate limit, or by a rule of the way out.
type ears struct {
	list []ear
}

type ear struct {
	family, protocol int
	fd               int
}

// openEars listens in the network namespace of the calling thread. Close them.
func openEars() (*ears, error) {
	e := &ears{}
	for _, kind := range []ear{
		{family: unix.AF_INET, protocol: unix.IPPROTO_TCP}, {family: unix.AF_INET, protocol: unix.IPPROTO_UDP},
		{family: unix.AF_INET, protocol: unix.IPPROTO_ICMP}, {family: unix.AF_INET6, protocol: unix.IPPROTO_TCP},
		{family: unix.AF_INET6, protocol: unix.IPPROTO_UDP}, {family: unix.AF_INET6, protocol: unix.IPPROTO_ICMPV6},
	} {
		fd, err := unix.Socket(kind.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, kind.protocol)
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w: open a raw socket: %w", ErrNoPackets, err), e.close())
		}
		kind.fd = fd
		e.list = append(e.list, kind)
	}
	return e, nil
}

func (e *ears) close() error {
	var errs []error
	for _, ear := range e.list {
		errs = append(errs, unix.Close(ear.fd))
	}
	return errors.Join(errs...)
}

// only has the ears hear nothing but what comes from that address, to which there must be a route: on a host there is more
// to be heard than anybody can listen to.
func (e *ears) only(from netip.Addr) error {
	for _, ear := range e.list {
		if ear.family != int(family(from)) {
			continue
		}
		if err := unix.Connect(ear.fd, sockaddr(netip.AddrPortFrom(from, 0))); err != nil {
			return fmt.Errorf("listen to %s: %w", from, err)
		}
	}
	return nil
}

// heard says whether the packet got in. What was heard before it is forgotten.
func (e *ears) heard(packet []byte) (bool, error) {
	sent, ok := parse(packet)
	if !ok {
		return false, fmt.Errorf("not a packet: %x", packet)
	}
	buffer := make([]byte, maxPacket)
	for _, ear := range e.list {
		if ear.family != int(family(sent.from.Addr())) || ear.protocol != int(sent.protocol) {
			continue
		}
		for {
			n, from, err := unix.Recvfrom(ear.fd, buffer, 0)
			if errors.Is(err, unix.EAGAIN) {
				return false, nil
			}
			if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
				return false, fmt.Errorf("hear: %w", err)
			}
			if err == nil && sent.is(buffer[:n], from) {
				return true, nil
			}
		}
	}
	return false, nil
}

// is says whether this is what a raw socket told of: IPv4 with its header, IPv6 without (raw(7), RFC 3542 section 3).
func (s seen) is(told []byte, from unix.Sockaddr) bool {
	if from, ok := from.(*unix.SockaddrInet6); ok {
		return netip.AddrFrom16(from.Addr) == s.from.Addr() && bytes.Equal(told, s.payload)
	}
	got, ok := parse(told)
	return ok && got.from == s.from && bytes.Equal(got.payload, s.payload)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}
