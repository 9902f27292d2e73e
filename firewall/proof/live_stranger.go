package proof

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// stranger is one whom the host has never heard of, behind an interface of its own.
type stranger struct {
	device     *device
	links      *links
	ears       *ears
	from, host map[uint8]netip.Addr // by family: the stranger's address, and one of the host
}

// candidates is how many addresses are looked at until one is given up: of ranges that large, hardly a second is needed.
const candidates = 16

// newStranger makes the interface in the network namespace of the calling thread. It is to be closed; what is not closed
// ends with the process.
func newStranger(ctx context.Context) (s *stranger, err error) {
	s = &stranger{from: make(map[uint8]netip.Addr), host: make(map[uint8]netip.Addr)}
	defer func() {
		if err != nil {
			err = stageError(ctx, errors.Join(err, s.close()))
		}
	}()
	if s.links, err = openLinks(); err != nil {
		return s, err
	}
	if s.ears, err = openEars(); err != nil {
		return s, err
	}
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // never fails (crypto/rand)
	if s.device, err = openDevice("sp-"+hex.EncodeToString(suffix), unix.IFF_TUN, false); err != nil {
		return s, err
	}
	if err := s.links.up(s.device); err != nil {
		return s, err
	}
	for kind, of := range map[uint8]netip.Prefix{
		ipv4: netip.MustParsePrefix("198.18.0.0/15"), ipv6: netip.MustParsePrefix("2001:db8::/32"),
	} {
		if err := s.arrive(ctx, kind, of); err != nil && !errors.Is(err, errNoFamily) {
			return s, err
		}
	}
	return s, nil
}

// arrive gives the stranger and the host's end of the interface an address each.
func (s *stranger) arrive(ctx context.Context, kind uint8, of netip.Prefix) error {
	host, err := s.unused(of)
	if err != nil {
		return err
	}
	if err := s.links.address(s.device, host); err != nil {
		return err
	}
	from, err := s.unused(of)
	if err != nil {
		return err
	}
	if err := s.links.route(s.device, netip.PrefixFrom(from, from.BitLen())); err != nil {
		return err
	}
	usable, err := tries(ctx, func() (bool, error) {
		kind, _, err := s.links.leads(host)
		return kind == unix.RTN_LOCAL, err
	})
	if err != nil || !usable {
		return errors.Join(fmt.Errorf("the address %s did not become usable", host), err)
	}
	if err := s.ears.only(from); err != nil {
		return err
	}
	s.from[kind], s.host[kind] = from, host
	return nil
}

// unused is an address of the range to which the host has no route but its default one.
func (s *stranger) unused(of netip.Prefix) (netip.Addr, error) {
	for range candidates {
		a := randomIn(of)
		_, bits, err := s.links.leads(a)
		if err != nil {
			return netip.Addr{}, err
		}
		if bits == 0 {
			return a, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("the host uses %s itself: there is no address left that is nobody's", of)
}

// randomIn is an address somewhere in a prefix of whole bytes and bits.
func randomIn(p netip.Prefix) netip.Addr {
	b, low := p.Masked().Addr().AsSlice(), make([]byte, p.Addr().BitLen()/8)
	_, _ = rand.Read(low) // never fails (crypto/rand)
	for i := range b {
		switch bits := p.Bits() - 8*i; {
		case bits <= 0:
			b[i] = low[i]
		case bits < 8:
			b[i] |= low[i] & (0xff >> bits)
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (s *stranger) close() error {
	var errs []error
	if s.device != nil {
		errs = append(errs, s.device.close())
	}
	if s.ears != nil {
		errs = append(errs, s.ears.close())
	}
	if s.links != nil {
		errs = append(errs, s.links.close())
	}
	return errors.Join(errs...)
}
