package proof

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/check"
	"sallyport/firewall"
)

// packet is the one that a visit comes with. Each has a source port of its own.
func (s *stage) packet(v visit) []byte {
	s.port++
	if s.port < firstPort {
		s.port = firstPort
	}
	from, to := netip.AddrPortFrom(v.From, s.port), netip.AddrPortFrom(s.plan.Host[family(v.From)], v.Port)
	if v.Protocol == firewall.UDP {
		return udp(from, to, binary.BigEndian.AppendUint16(nil, s.port))
	}
	flags := flagSYN
	if v.Stray {
		flags = flagACK
	}
	return segment{from: from, to: to, flags: flags, seq: uint32(s.port)}.packet()
}

// send has the packet come in by an interface, and says whether it gets past every rule.
func (s *stage) send(by string, packet []byte) (in bool, err error) {
	if err := s.devices[by].write(packet); err != nil {
		return false, err
	}
	return s.ears.heard(packet)
}

// visits are the packets of the plan. The interface that routes lead to is changed once for each.
func (s *stage) visits(ctx context.Context) error {
	deadline, by := time.Now().Add(rehearsalLimit), ""
	for i, v := range s.plan.Visits {
		if time.Now().After(deadline) {
			s.done.Omitted += len(s.plan.Visits) - i
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !slices.Contains(s.families, family(v.From)) {
			continue // told before
		}
		if v.By != by {
			by = v.By
			if err := s.lead(by); err != nil {
				return err
			}
		}
		if err := s.visit(v); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) visit(v visit) error {
	if err := s.devices[v.By].forget(); err != nil {
		return err
	}
	in, err := s.send(v.By, s.packet(v))
	if err != nil {
		return err
	}
	s.count(v.In)
	if in != v.In {
		s.wrong = append(s.wrong, misjudged(v))
	}
	if !in || s.unanswered || !v.Management || v.Stray || v.Protocol != firewall.TCP {
		return nil
	}
	answered, err := s.answered(v)
	if err == nil && !answered {
		s.unanswered = true // to find it out again would take as long again
		s.lockout("management exception %s: what this host answers to %s did not get out", v.Way, v.From)
	}
	return err
}

// answered says whether the host has answered the visit that was sent last. Nobody listens on the port, so it is a reset,
// to which no rate limit applies (RFC 9293 section 3.10.7.1).
func (s *stage) answered(v visit) (bool, error) {
	to := netip.AddrPortFrom(v.From, s.port)
	return s.devices[v.By].read(patience, func(b []byte) bool {
		got, ok := parse(b)
		return ok && got.protocol == byte(firewall.TCP) && got.to == to
	})
}

func (s *stage) count(in bool) {
	if in {
		s.done.In++
	} else {
		s.done.Out++
	}
}

// spoofs come from where nobody can be: from loopback, and from an address that is let in but to which the route leads by
// another interface (RFC 3704 section 2.2).
func (s *stage) spoofs(context.Context) error {
	if !s.spoofed {
		return nil
	}
	for _, v := range s.plan.Spoofs {
		if !slices.Contains(s.families, family(v.From)) {
			continue
		}
		if err := s.lead(v.By); err != nil {
			return err
		}
		if v.From.Is4() {
			inside := v
			inside.From = loopback()
			if err := s.spoof(inside, "a packet that claims to come from this host itself"); err != nil {
				return err
			}
		}
		if v.From.IsLinkLocalUnicast() {
			continue // these have their route on every link
		}
		elsewhere := netip.PrefixFrom(v.From, v.From.BitLen())
		if err := s.links.route(s.devices[s.plan.Beside], elsewhere); err != nil {
			return err
		}
		if err := s.spoof(v, "a packet whose source is not where the route to it leads"); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) spoof(v visit, what string) error {
	in, err := s.send(v.By, s.packet(v))
	s.count(false)
	if in {
		text := fmt.Sprintf("%s, %s, got in on %d/%s by the interface %s (rehearsed)",
			what, v.From, v.Port, protocolName(v.Protocol), v.By)
		s.wrong = append(s.wrong, Wrong{check.FirewallExposed, text})
	}
	return err
}

// pings are echo requests of a stranger (RFC 792, RFC 4443 section 4.1).
func (s *stage) pings(context.Context) error {
	for _, kind := range s.families {
		echo := byte(8)
		if kind == ipv6 {
			echo = 128
		}
		from := s.plan.Far[kind]
		in, err := s.send(s.plan.Outside, icmp(from, s.plan.Host[kind], echo, 0, 1, nil))
		if err != nil {
			return err
		}
		s.count(s.plan.Ping)
		switch {
		case s.plan.Ping && !in:
			s.wrong = append(s.wrong, Wrong{check.Internal,
				fmt.Sprintf("the policy answers pings, and an echo request from %s was dropped (rehearsed)", from)})
		case in && !s.plan.Ping:
			s.wrong = append(s.wrong, Wrong{check.FirewallExposed,
				fmt.Sprintf("the policy answers no pings, and an echo request from %s got in (rehearsed)", from)})
		}
	}
	return nil
}

// forwards are packets that are not for this host.
func (s *stage) forwards(context.Context) error {
	for _, kind := range s.passedOn {
		if !s.plan.Shut {
			continue
		}
		out, err := s.forwarded(kind)
		if err != nil {
			return err
		}
		s.count(false)
		if out {
			s.wrong = append(s.wrong, Wrong{check.FirewallExposed, fmt.Sprintf(
				"a packet from %s to %s was passed on (rehearsed)", s.plan.Far[kind], s.plan.Next[kind])})
		}
	}
	return nil
}
