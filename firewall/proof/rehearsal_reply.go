package proof

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/check"
	"sallyport/firewall"
)

// patience is for how long what must come is waited for. Everything here happens within microseconds; a host that is
// very busy may take longer.
const patience = 200 * time.Millisecond

// replies has the host begin connections and conversations, and answers them: whatever is shut, the host's own ways out
// work, and so does the discovery of their path MTU.
func (s *stage) replies(context.Context) error {
	for _, e := range s.plan.Exits {
		if !slices.Contains(s.families, family(e.To.Addr())) {
			continue
		}
		begin := s.connection
		if e.Protocol == firewall.UDP {
			begin = s.conversation
		}
		if err := begin(e); err != nil {
			return err
		}
	}
	return nil
}

// lockout notes that something did not get in without which nobody can work on this host, or the host not at all.
func (s *stage) lockout(format string, args ...any) {
	s.wrong = append(s.wrong, Wrong{check.FirewallLockout, fmt.Sprintf(format, args...) + " (rehearsed)"})
}

// begun judges whether what the host begins has got out as the policy says, and returns whether there is anything to be
// answered.
func (s *stage) begun(e exit, what string, out bool, refused error) bool {
	switch {
	case e.Out && refused != nil:
		s.lockout("%s from this host to %s was refused: %v", what, e.To, refused)
	case e.Out && !out:
		s.lockout("%s from this host to %s did not get out", what, e.To)
	case out && !e.Out:
		s.wrong = append(s.wrong, Wrong{check.Internal,
			fmt.Sprintf("%s from this host to %s got out, which no destination names (rehearsed)", what, e.To)})
	}
	return e.Out && out
}

// leave gives what the host sends to the peer, whole and parsed.
func (s *stage) leave(e exit) (packet []byte, got seen, out bool, err error) {
	wait := patience
	if !e.Out {
		wait = 0
	}
	out, err = s.devices[s.plan.Outside].read(wait, func(b []byte) bool {
		packet = slices.Clone(b)
		var ok bool
		got, ok = parse(packet)
		return ok && got.protocol == byte(e.Protocol) && got.to == e.To
	})
	return packet, got, out, err
}

// connection is one of TCP, from the host's own socket.
func (s *stage) connection(e exit) error {
	fd, err := s.socket(e.To, unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	refused := unix.Connect(fd, sockaddr(e.To))
	if errors.Is(refused, unix.EINPROGRESS) {
		refused = nil
	}
	packet, syn, out, err := s.leave(e)
	if err != nil {
		return err
	}
	s.done.Replies++
	if !s.begun(e, "a connection", out, refused) {
		return nil
	}
	_, seq, _ := syn.tcp()
	answer := segment{from: e.To, to: syn.from, flags: flagSYN | flagACK, seq: 1, ack: seq + 1}.packet()
	if err := s.devices[s.plan.Outside].write(answer); err != nil {
		return err
	}
	if err := await(fd, unix.POLLOUT, patience); err != nil {
		return err
	}
	if _, err := unix.Getpeername(fd); err != nil {
		s.lockout("the answer of %s to a connection from this host was dropped", e.To)
		return nil
	}
	return s.pathMTU(packet, syn.from.Addr())
}

// pathMTU has a router on the way say that a packet of the connection was too large (RFC 1191 section 4, RFC 4443 section
// 3.2).
func (s *stage) pathMTU(about []byte, host netip.Addr) error {
	const mtu = 1400
	s.done.Replies++
	router := s.plan.Next[family(host)]
	message := icmp(router, host, 3, 4, mtu, about[:min(header4+8, len(about))])
	if host.Is6() {
		message = icmp(router, host, 2, 0, mtu, about)
	}
	in, err := s.send(s.plan.Outside, message)
	if err == nil && !in {
		s.lockout("path MTU: the word of a router, %s, about a connection of this host was dropped", router)
	}
	return err
}

// conversation is one of UDP, from the host's own socket.
func (s *stage) conversation(e exit) error {
	fd, err := s.socket(e.To, unix.SOCK_DGRAM)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	refused := unix.Sendto(fd, []byte("question"), 0, sockaddr(e.To))
	_, question, out, err := s.leave(e)
	if err != nil {
		return err
	}
	s.done.Replies++
	if !s.begun(e, "a datagram", out, refused) {
		return nil
	}
	if err := s.devices[s.plan.Outside].write(udp(e.To, question.from, []byte("answer"))); err != nil {
		return err
	}
	if err := await(fd, unix.POLLIN, patience); err != nil {
		return err
	}
	if n, _, err := unix.Recvfrom(fd, make([]byte, 16), 0); err != nil || n != len("answer") {
		s.lockout("the answer of %s to a datagram from this host was dropped", e.To)
	}
	return nil
}

// socket is one of the host, with its address.
func (s *stage) socket(peer netip.AddrPort, kind int) (int, error) {
	family := family(peer.Addr())
	fd, err := unix.Socket(int(family), kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0, fmt.Errorf("open a socket: %w", err)
	}
	if err := unix.Bind(fd, sockaddr(netip.AddrPortFrom(s.plan.Host[family], 0))); err != nil {
		return 0, errors.Join(fmt.Errorf("bind a socket: %w", err), unix.Close(fd))
	}
	return fd, nil
}
