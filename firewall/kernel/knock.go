package kernel

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// Knock is a source that was turned away at a port: of TCP by the first segments of connections, of UDP by datagrams.
type Knock struct {
	From           netip.Addr
	Protocol       firewall.Protocol
	Port           uint16 // of this host
	Packets, Bytes uint64 // since it was first turned away, or since it was last forgotten
	Expires        time.Duration
}

// Refusal is where this host wanted to go and may not, or may not once egress is enforced.
type Refusal struct {
	To             netip.Addr
	Protocol       firewall.Protocol
	Port           uint16  // there
	UID            *uint32 // of the socket's owner; nil: a packet without a socket, or no room to keep whose it was
	Packets, Bytes uint64
	Expires        time.Duration
}

// Knocks reads who knocked, the most packets first: at most firewall.MaxKnocks for each family. It reads no more than
// those sets, which Dump passes by. A set that is not there has nothing in it; what has not the form of ours in one that
// was changed is passed by. The errors are those of Dump, less ErrNoTable.
func (c *Conn) Knocks(ctx context.Context) ([]Knock, error) {
	var knocks []Knock
	err := c.tallies(ctx, []string{firewall.SetKnock4, firewall.SetKnock6}, func(t tally) {
		if t.uid == nil {
			knocks = append(knocks, Knock{t.addr, t.protocol, t.port, t.packets, t.bytes, t.expires})
		}
	})
	slices.SortFunc(knocks, func(a, b Knock) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), a.From.Compare(b.From),
			cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Port, b.Port))
	})
	return knocks, err
}

// Refused reads where this host wanted to go, the most packets first: at most firewall.MaxKnocks for each family of those
// whose owner is known, and as many of the others. All else is as for Knocks.
func (c *Conn) Refused(ctx context.Context) ([]Refusal, error) {
	var refused []Refusal
	sets := []string{firewall.SetRefused4, firewall.SetRefused6, firewall.SetUnowned4, firewall.SetUnowned6}
	err := c.tallies(ctx, sets, func(t tally) {
		refused = append(refused, Refusal{t.addr, t.protocol, t.port, t.uid, t.packets, t.bytes, t.expires})
	})
	slices.SortFunc(refused, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), a.To.Compare(b.To), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Port, b.Port), compareUIDs(a.UID, b.UID))
	})
	return refused, err
}

// compareUIDs puts who is not known first.
func compareUIDs(a, b *uint32) int {
	number := func(uid *uint32) int64 {
		if uid == nil {
			return -1
		}
		return int64(*uid)
	}
	return cmp.Compare(number(a), number(b))
}

// tally is one element of a set that packets add to.
type tally struct {
	addr           netip.Addr
	protocol       firewall.Protocol
	port           uint16
	uid            *uint32
	packets, bytes uint64
	expires        time.Duration
}

// talliedBytes bounds the answers about one set: 4,096 elements are some 600 KiB.
const talliedBytes = 4 << 20

// tallies visits the elements of some sets, each key once.
func (c *Conn) tallies(ctx context.Context, sets []string, visit func(tally)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, dumpLimit,
		fmt.Errorf("not read in %s: %w", dumpLimit, context.DeadlineExceeded))
	defer cancel()
	for _, set := range sets {
		elements, err := c.talliedElements(ctx, set)
		if err != nil {
			return fmt.Errorf("kernel: set %s: %w", set, err)
		}
		seen := make(map[string]bool, len(elements)) // a hash table that grows while it is listed tells some twice
		for _, e := range elements {
			if t, ok := readTally(e); ok && !seen[string(e.key)] && len(seen) < firewall.MaxKnocks {
				seen[string(e.key)] = true
				visit(t)
			}
		}
	}
	return nil
}

// talliedElements reads one set, again where somebody changed the ruleset meanwhile.
func (c *Conn) talliedElements(ctx context.Context, set string) ([]rawElement, error) {
	var last error
	for try := range snapshotTries {
		if err := pause(ctx, time.Duration(try)*snapshotPause); err != nil {
			return nil, err
		}
		messages, err := c.setElements(ctx, set)
		if errors.Is(err, unix.ENOENT) {
			return nil, nil
		}
		if err == nil {
			return decodeElements(messages)
		}
		if last = err; !transient(err) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: gave up after %d tries: %w", ErrUnsteady, snapshotTries, last)
}

func (c *Conn) setElements(ctx context.Context, set string) (messages [][]byte, err error) {
	session, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { c.end(session, err) }()
	session.budget = talliedBytes
	request := append(attribute.String(unix.NFTA_SET_ELEM_LIST_TABLE, firewall.Table),
		attribute.String(unix.NFTA_SET_ELEM_LIST_SET, set)...)
	err = session.ask(ctx, unix.NFT_MSG_GETSETELEM, netlink.Dump, request, func(b []byte) {
		messages = append(messages, b)
	})
	return messages, err
}

// readTally reads an element with the key address . protocol . port, and an owner after it where there is one. Each part
// begins on a register of four bytes.
func readTally(e rawElement) (tally, bool) {
	key := e.key
	var t tally
	switch len(key) {
	case 12, 16:
		t.addr, key = netip.AddrFrom4([4]byte(key)), key[4:]
	case 24, 28:
		t.addr, key = netip.AddrFrom16([16]byte(key)), key[16:]
	default:
		return tally{}, false
	}
	t.protocol, t.port = firewall.Protocol(key[0]), binary.BigEndian.Uint16(key[4:])
	if len(key) > 8 {
		t.uid = new(binary.NativeEndian.Uint32(key[8:]))
	}
	for _, one := range e.expressions {
		if one.name == exprCounter {
			t.packets = one.attrs.NumberOr0(unix.NFTA_COUNTER_PACKETS)
			t.bytes = one.attrs.NumberOr0(unix.NFTA_COUNTER_BYTES)
		}
	}
	t.expires = milliseconds(e.attrs.NumberOr0(unix.NFTA_SET_ELEM_EXPIRATION))
	return t, true
}
