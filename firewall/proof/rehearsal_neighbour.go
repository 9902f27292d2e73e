package proof

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Types and options of neighbour discovery (RFC 4861 sections 4.3, 4.4 and 4.6.1).
const (
	solicitation  byte = 135
	advertisement byte = 136
	sourceLink    byte = 1
	targetLink    byte = 2
)

// ends are the two ends of a link.
type ends struct{ host, neighbour netip.Addr }

// neighbourhood is the Ethernet beside: its addresses are of that link only.
func neighbourhood() ends {
	return ends{host: netip.MustParseAddr("fe80::5a11:1"), neighbour: netip.MustParseAddr("fe80::5a11:2")}
}

// neighbours has one on the same Ethernet ask for the host's link-layer address, and answer as if it had been asked for
// its own: without that nobody finds anybody on IPv6.
func (s *stage) neighbours(context.Context) error {
	if !s.neighbourly {
		return nil
	}
	s.done.Replies += 2
	answered, err := s.solicit(patience)
	if err != nil {
		return err
	}
	if !answered {
		s.lockout("neighbour discovery: nobody answered to who asked for this host's link-layer address")
	}
	link, of := s.devices[s.plan.Beside], neighbourhood()
	const solicitedToOverride = 3 << 29
	answer := neighbourMessage(of.neighbour, of.host, advertisement, solicitedToOverride, of.neighbour, targetLink)
	if err := link.write(frame(link.hardware, answer)); err != nil {
		return err
	}
	in, err := s.ears.heard(answer)
	if err == nil && !in {
		s.lockout("neighbour discovery: the answer of a neighbour was dropped")
	}
	return err
}

// solicit asks for the host's link-layer address and says whether it was told.
func (s *stage) solicit(wait time.Duration) (bool, error) {
	link, of := s.devices[s.plan.Beside], neighbourhood()
	group := solicitedNode(of.host)
	if err := link.forget(); err != nil {
		return false, err
	}
	asks := neighbourMessage(of.neighbour, group, solicitation, 0, of.host, sourceLink)
	if err := link.write(frame(multicastLink(group), asks)); err != nil {
		return false, err
	}
	return link.read(wait, func(b []byte) bool {
		if len(b) < ethernet {
			return false
		}
		got, ok := parse(b[ethernet:])
		kind, about, told := got.icmp()
		return ok && told && kind == advertisement && len(about) >= 16 &&
			got.to.Addr() == of.neighbour && netip.AddrFrom16([16]byte(about)) == of.host
	})
}

func neighbourMessage(from, to netip.Addr, kind byte, flags uint32, target netip.Addr, option byte) []byte {
	data := append(target.AsSlice(), option, 1) // in units of eight bytes
	return icmp(from, to, kind, 0, flags, append(data, neighbourLink()...))
}

// neighbourLink is a link-layer address that nobody was given (IEEE 802: locally administered).
func neighbourLink() []byte { return []byte{2, 0, 0x5a, 0x11, 0, 2} }

// solicitedNode is the group in which an address is asked for (RFC 4291 section 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := netip.MustParseAddr("ff02::1:ff00:0").As16()
	last := a.As16()
	copy(b[13:], last[13:])
	return netip.AddrFrom16(b)
}

// multicastLink is the link-layer address of a group (RFC 2464 section 7).
func multicastLink(group netip.Addr) []byte {
	b := group.As16()
	return append([]byte{0x33, 0x33}, b[12:]...)
}

// ethernet is the length of a frame's header, in bytes.
const ethernet = 14

// frame puts an IPv6 packet of the neighbour into an Ethernet frame.
func frame(to, packet []byte) []byte {
	b := append(slices.Clone(to), neighbourLink()...)
	return append(append(b, unix.ETH_P_IPV6>>8, unix.ETH_P_IPV6&0xff), packet...)
}
