package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// maxLive is how many targets a stranger tries; each takes a source port of its own.
const maxLive = 8192

// LiveTarget is a port of the host that a stranger is to try.
type LiveTarget struct {
	Protocol firewall.Protocol
	To       netip.AddrPort // an unspecified address is that of a socket that listens on all
}

// LiveAnswer is what became of a packet of the stranger.
type LiveAnswer struct {
	LiveTarget

	From netip.Addr // the stranger
	By   string     // the interface by which the packet came in
	In   bool       // it came past every rule of every table, whether or not it was answered
	Says Says
}

// Says is how a host answers a packet.
type Says uint8

// The answers. The zero one is silence.
const (
	SaysNothing     Says = iota
	SaysAccepted         // a TCP connection would have been made (SYN and ACK)
	SaysData             // a datagram came back
	SaysRefused          // a TCP reset: the port is closed, or a rule rejects
	SaysUnreachable      // an ICMP error: the same for UDP
)

// String is the answer in a word.
func (s Says) String() string {
	words := [...]string{"silence", "accepted", "answered", "refused", "unreachable"}
	if int(s) < len(words) {
		return words[s]
	}
	return fmt.Sprintf("answer %d", uint8(s))
}

// Live has a stranger whom nobody knows send one packet to each target on this very host, in the network namespace of the
// calling thread: a SYN, which is taken back by a reset if it is answered, or an empty datagram. The stranger is behind a
// TUN device of a random name; the stranger's address and the device's own are of the ranges for benchmarks and
// documentation (RFC 2544, RFC 3849) and lead nowhere else on the host. All of it goes with the device's descriptor, also if
// the process is killed. It needs CAP_NET_ADMIN and CAP_NET_RAW.
//
// There is one answer for each target, in their order. ErrNoPackets says that nothing could be tried, and why.
func Live(ctx context.Context, targets []LiveTarget) (answers []LiveAnswer, err error) {
	if len(targets) > maxLive {
		return nil, fmt.Errorf("%w: %d targets at once: at most %d", ErrNoPackets, len(targets), maxLive)
	}
	s, err := newStranger(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for i, target := range targets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		answer, err := s.knock(target, firstPort+uint16(i))
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
		if err := s.listen(answers, 0); err != nil { // the device keeps 500 packets at most (TUN_READQ_SIZE)
			return nil, err
		}
	}
	return answers, s.listen(answers, patience)
}

// knock sends the packet and says whether it got in.
func (s *stranger) knock(target LiveTarget, port uint16) (LiveAnswer, error) {
	kind := family(target.To.Addr().Unmap())
	from, ok := s.from[kind]
	if !ok {
		return LiveAnswer{}, fmt.Errorf("%w: %s to %s", ErrNoPackets, familyName(kind), target.To)
	}
	to := netip.AddrPortFrom(target.To.Addr().Unmap().WithZone(""), target.To.Port())
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(s.host[kind], to.Port())
	}
	packet := udp(netip.AddrPortFrom(from, port), to, nil)
	if target.Protocol == firewall.TCP {
		packet = segment{from: netip.AddrPortFrom(from, port), to: to, flags: flagSYN, seq: uint32(port)}.packet()
	}
	if err := s.device.write(packet); err != nil {
		return LiveAnswer{}, err
	}
	in, err := s.ears.heard(packet)
	return LiveAnswer{LiveTarget: target, From: from, By: s.device.name, In: in}, err
}

// listen reads what the host has answered, until every target has answered or so long nothing has come.
func (s *stranger) listen(answers []LiveAnswer, wait time.Duration) error {
	left := 0
	for _, a := range answers {
		if a.Says == SaysNothing {
			left++
		}
	}
	if left == 0 {
		return nil
	}
	var reset error
	_, err := s.device.read(wait, func(b []byte) bool {
		got, ok := parse(b)
		if !ok {
			return false
		}
		port, says := s.understand(got)
		i := int(port) - firstPort
		if says == SaysNothing || i < 0 || i >= len(answers) || answers[i].Says != SaysNothing {
			return false
		}
		answers[i].Says = says
		left--
		if says == SaysAccepted {
			reset = errors.Join(reset, s.takeBack(got))
		}
		return left == 0
	})
	return cmp.Or(err, reset)
}

// understand says to which of the stranger's ports an answer is, and what it says.
func (s *stranger) understand(got seen) (port uint16, says Says) {
	if got.to.Addr() != s.from[family(got.to.Addr())] {
		return 0, SaysNothing
	}
	if flags, _, ok := got.tcp(); ok {
		switch {
		case flags&flagRST != 0:
			return got.to.Port(), SaysRefused
		case flags&(flagSYN|flagACK) == flagSYN|flagACK:
			return got.to.Port(), SaysAccepted
		}
		return 0, SaysNothing
	}
	if got.protocol == unix.IPPROTO_UDP {
		return got.to.Port(), SaysData
	}
	if kind, about, ok := got.icmp(); ok && (kind == 3 && got.protocol == unix.IPPROTO_ICMP || kind == 1) {
		if sent, ok := parse(about); ok {
			return sent.from.Port(), SaysUnreachable
		}
	}
	return 0, SaysNothing
}

// takeBack ends the connection that is about to be made, so that no program is told of it.
func (s *stranger) takeBack(answer seen) error {
	_, seq, _ := answer.tcp()
	return s.device.write(segment{
		from: answer.to, to: answer.from, flags: flagRST | flagACK, seq: uint32(answer.to.Port()) + 1, ack: seq + 1,
	}.packet())
}
