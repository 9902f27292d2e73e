package proof

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Before the rules there are none, and everything must get in: what is kept out afterwards is then kept out by them.

// settling is how long the namespace may take until packets arrive: the kernel makes an IPv6 address usable in the
// background (addrconf_dad_work).
const settling = time.Second

// tries waits until the attempt is right, or for so long.
func tries(ctx context.Context, attempt func() (bool, error)) (bool, error) {
	for deadline := time.Now().Add(settling); ; {
		done, err := attempt()
		if done || err != nil || time.Now().After(deadline) {
			return done, err
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// unruled finds out what arrives without rules. What does not is not tried with them, which is told.
func (s *stage) unruled(ctx context.Context) error {
	for _, kind := range slices.Clone(s.families) {
		for _, protocol := range []firewall.Protocol{firewall.TCP, firewall.UDP} {
			v := visit{From: s.plan.Far[kind], Protocol: protocol, Port: 9}
			in, err := tries(ctx, func() (bool, error) { return s.send(s.plan.Outside, s.packet(v)) })
			if err != nil {
				return err
			}
			if !in {
				s.untried("%s: no packet arrives even without rules", familyName(kind))
				s.families = slices.DeleteFunc(s.families, func(f uint8) bool { return f == kind })
				break
			}
		}
	}
	if len(s.families) == 0 {
		return fmt.Errorf("%w: no packet arrives even without rules", ErrNoPackets)
	}
	if err := s.neighboursUnruled(ctx); err != nil {
		return err
	}
	return s.kernelUnruled()
}

func (s *stage) neighboursUnruled(ctx context.Context) error {
	if !slices.Contains(s.families, ipv6) {
		return nil
	}
	if err := s.links.address(s.devices[s.plan.Beside], neighbourhood().host); err != nil {
		return err
	}
	answered, err := tries(ctx, func() (bool, error) { return s.solicit(0) })
	if s.neighbourly = answered; !answered {
		s.untried("neighbour discovery: the kernel does not answer even without rules")
	}
	return err
}

// kernelUnruled finds out what the kernel keeps back by itself, so that a rule which does not is not praised for it.
func (s *stage) kernelUnruled() error {
	in, err := s.send(s.plan.Outside, s.packet(visit{From: loopback(), Protocol: firewall.TCP, Port: 9}))
	if err != nil {
		return err
	}
	if s.spoofed = in; !in {
		s.untried("spoofed sources: the kernel drops them by itself")
	}
	for _, kind := range s.families {
		out, err := s.forwarded(kind)
		if err != nil {
			return err
		}
		if out {
			s.passedOn = append(s.passedOn, kind)
		} else if s.plan.Shut {
			s.untried("forward of %s: the kernel passes nothing on by itself", familyName(kind))
		}
	}
	return nil
}

func loopback() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 9}) }

// forwarded says whether a packet for somebody else is passed on. It comes in and would go out by the same interface.
func (s *stage) forwarded(kind uint8) (bool, error) {
	s.port++
	outside := s.devices[s.plan.Outside]
	from, to := netip.AddrPortFrom(s.plan.Far[kind], s.port), netip.AddrPortFrom(s.plan.Next[kind], 9)
	if err := outside.write(udp(from, to, nil)); err != nil {
		return false, err
	}
	return outside.read(0, func(b []byte) bool {
		got, ok := parse(b)
		return ok && got.protocol == unix.IPPROTO_UDP && got.from == from && got.to == to
	})
}
