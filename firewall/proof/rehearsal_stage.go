package proof

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// stage is the namespace of a rehearsal, set up: interfaces whose other end is here, and ears for what gets in by them.
type stage struct {
	plan plan
	rig
	done  Rehearsal
	wrong []Wrong
	port  uint16 // the last source port; each packet has its own, so that each is a connection of its own

	unanswered bool // the host's answers do not get out, which was told

	// What arrives where there are no rules.
	families    []uint8
	neighbourly bool    // neighbour discovery
	spoofed     bool    // packets that claim to come from inside
	passedOn    []uint8 // packets for others, by family
}

// perform is the rehearsal, in the network namespace of the calling thread, which must be a throw-away one.
func perform(ctx context.Context, script plan, r firewall.Ruleset) (told outcome, err error) {
	s := &stage{plan: script, rig: newRig(), port: firstPort}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.setUp(); err != nil {
		return outcome{}, stageError(ctx, err)
	}
	if err := s.unruled(ctx); err != nil {
		return outcome{}, stageError(ctx, err)
	}
	c, err := kernel.Open()
	if err != nil {
		return outcome{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Apply(ctx, r); err != nil {
		return outcome{}, err
	}
	for _, act := range []func(context.Context) error{
		s.replies, s.neighbours, s.pings, s.forwards, s.visits, s.spoofs, // the last leaves routes behind
	} {
		if err := act(ctx); err != nil || ctx.Err() != nil {
			return outcome{}, stageError(ctx, err)
		}
	}
	s.done.Omitted += script.Omitted
	worstFirst(s.wrong)
	return outcome{Rehearsal: s.done, Wrong: s.wrong}, nil
}

// stageError is ErrNoPackets for what breaks on the stage itself, which says nothing about the ruleset, and the context's
// error where that has ended.
func stageError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, ErrNoPackets) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNoPackets, err)
}

// firstPort is the first source port: above those by which services answer.
const firstPort = 40000

// setUp makes the interfaces, with everything that is to be decided by rules left to them.
func (s *stage) setUp() (err error) {
	// Before the interfaces, which take these over. Without the rights a rehearsal sees less, which is told then.
	for name, value := range map[string]string{
		"net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0",
		"net/ipv4/conf/default/route_localnet": "1",
		"net/ipv4/ip_forward":                  "1", "net/ipv6/conf/all/forwarding": "1",
	} {
		_ = sysctl(name, value)
	}
	if err := s.open(); err != nil {
		return err
	}
	if err := s.plug(s.plan.Outside, unix.IFF_TUN); err != nil {
		return err
	}
	if err := s.plug(s.plan.Beside, unix.IFF_TAP); err != nil {
		return err
	}
	for _, kind := range []uint8{ipv4, ipv6} {
		err := s.links.address(s.devices[s.plan.Outside], s.plan.Host[kind])
		switch {
		case errors.Is(err, errNoFamily):
			s.untried("%s: %v", familyName(kind), err)
		case err != nil:
			return err
		default:
			s.families = append(s.families, kind)
		}
	}
	s.plugNamed()
	return s.lead(s.plan.Outside)
}

// plugNamed makes the interfaces that exceptions name, and leaves out the visits by those that cannot be made: lo, which
// is there, and names that the kernel keeps for itself, such as "all".
func (s *stage) plugNamed() {
	var without []string
	s.plan.Visits = slices.DeleteFunc(slices.Clone(s.plan.Visits), func(v visit) bool {
		if !slices.Contains(s.families, family(v.From)) || slices.Contains(without, v.By) {
			return true
		}
		if s.devices[v.By] != nil {
			return false
		}
		if err := s.plug(v.By, unix.IFF_TUN); err != nil {
			without = append(without, v.By)
			s.untried("the interface %s: %v", v.By, err)
			return true
		}
		return false
	})
	s.plan.Spoofs = slices.DeleteFunc(slices.Clone(s.plan.Spoofs), func(v visit) bool { return s.devices[v.By] == nil })
}

func (s *stage) plug(name string, kind uint16) error {
	d, err := openDevice(name, kind, true)
	if err != nil {
		return err
	}
	s.devices[name] = d
	return s.links.up(d)
}

// lead has every route lead to the interface: a source must be where its route leads to.
func (s *stage) lead(name string) error {
	for _, kind := range s.families {
		if err := s.links.route(s.devices[name], everywhere(kind)); err != nil {
			return err
		}
	}
	return nil
}

func everywhere(kind uint8) netip.Prefix {
	if kind == ipv4 {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

func (s *stage) untried(format string, args ...any) {
	s.done.Untried = append(s.done.Untried, fmt.Sprintf(format, args...))
}

// sysctl sets one of the network namespace of the calling thread.
func sysctl(name, value string) error {
	return os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
}

func familyName(kind uint8) string {
	return map[uint8]string{ipv4: "IPv4", ipv6: "IPv6"}[kind]
}
