package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// Learned is an address that a timed set of the table holds, or is to hold, for a while. With no timeout it is to be taken
// out.
type Learned struct {
	Set     string
	Addr    netip.Addr
	Timeout time.Duration // from now; in milliseconds in the kernel
}

// Learn puts addresses into timed sets of the table inet sallyport, and takes others out, in one transaction. One that is
// there already gets the new time: it is deleted and added, since the kernel leaves the time of an element that is added
// again as it is before version 6.12 (nft_add_set_elem), and at no moment is it not there. An address that is to be taken
// out and is not there is no error.
//
// Elements that expire are not in the normal form, so that to learn is no drift. A set that does not exist is unix.ENOENT
// in the error; the others are those of Apply.
func (c *Conn) Learn(ctx context.Context, learned []Learned) error {
	for try := range applyTries {
		if err := pause(ctx, time.Duration(try)*applyPause); err != nil {
			return err
		}
		err := c.learn(ctx, bySet(learned))
		switch {
		case errors.Is(err, unix.ERESTART), errors.Is(err, unix.EINTR), errors.Is(err, errVanished):
			continue // somebody committed in between, or an element expired
		case errors.Is(err, unix.ENOBUFS):
			continue // whether it was committed is not known, and doing it again does no harm
		case err != nil:
			return fmt.Errorf("kernel: table inet %s: learn %d addresses: %w", firewall.Table, len(learned), reason(err))
		}
		return nil
	}
	return fmt.Errorf("kernel: %w: gave up after %d tries to learn", ErrUnsteady, applyTries)
}

// errVanished says that what was to be deleted expired meanwhile.
var errVanished = errors.New("an element expired")

// setLesson is what one set is to learn.
type setLesson struct {
	set      *nftables.Set
	add, del []nftables.SetElement
}

// bySet sorts what is to be learned by the set; of two times for one address the last counts.
func bySet(learned []Learned) []*setLesson {
	lessons := map[string]*setLesson{}
	var order []*setLesson
	for _, l := range learned {
		lesson := lessons[l.Set]
		if lesson == nil {
			lesson = &setLesson{set: timedSet(l)}
			lessons[l.Set], order = lesson, append(order, lesson)
		}
		key := l.Addr.AsSlice()
		same := func(e nftables.SetElement) bool { return bytes.Equal(e.Key, key) }
		lesson.add, lesson.del = slices.DeleteFunc(lesson.add, same), slices.DeleteFunc(lesson.del, same)
		if l.Timeout > 0 {
			lesson.add = append(lesson.add, nftables.SetElement{Key: key, Timeout: max(l.Timeout, time.Millisecond)})
		} else {
			lesson.del = append(lesson.del, nftables.SetElement{Key: key})
		}
	}
	return order
}

// timedSet is the set as the library needs to know it to write elements.
func timedSet(l Learned) *nftables.Set {
	set := &nftables.Set{
		Table: &nftables.Table{Family: nftables.TableFamilyINet, Name: firewall.Table}, Name: l.Set, HasTimeout: true,
		KeyType: nftables.TypeIPAddr,
	}
	if l.Addr.Is6() {
		set.KeyType = nftables.TypeIP6Addr
	}
	return set
}

// learn makes one try. What is there is read first, since deleting what is not there would undo the whole transaction.
func (c *Conn) learn(ctx context.Context, lessons []*setLesson) error {
	generation, held, err := c.holdings(ctx, lessons)
	if err != nil {
		return err
	}
	deletes := false
	for _, l := range lessons {
		there := func(e nftables.SetElement) bool { return held[l.set.Name][string(e.Key)] }
		absent := func(e nftables.SetElement) bool { return !there(e) }
		gone := slices.DeleteFunc(slices.Concat(l.del, l.add), absent)
		for chunk := range slices.Chunk(gone, elementChunk) {
			deletes = true
			_ = c.nft.SetDeleteElements(l.set, keysOf(chunk)) // its error comes back from the flush
		}
		for chunk := range slices.Chunk(l.add, elementChunk) {
			_ = c.nft.SetAddElements(l.set, chunk)
		}
	}
	err = c.nft.FlushWithGenID(generation)
	if deletes && errors.Is(err, unix.ENOENT) {
		return errVanished
	}
	return err
}

// keysOf is elements without their times: the kernel takes none with a deletion.
func keysOf(elements []nftables.SetElement) []nftables.SetElement {
	keys := make([]nftables.SetElement, len(elements))
	for i, e := range elements {
		keys[i].Key = e.Key
	}
	return keys
}

// holdings is what the sets hold now, by set and key, and the generation at which they did.
func (c *Conn) holdings(ctx context.Context, lessons []*setLesson) (g uint32, held map[string]map[string]bool, err error) {
	session, err := c.session(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer func() { c.end(session, err) }()
	if g, err = session.generation(ctx); err != nil {
		return 0, nil, err
	}
	held = make(map[string]map[string]bool, len(lessons))
	for _, l := range lessons {
		elements, err := session.elementsOf(ctx, l.set.Name)
		if err != nil {
			return 0, nil, fmt.Errorf("set %q: %w", l.set.Name, err)
		}
		keys := make(map[string]bool, len(elements))
		for _, e := range elements {
			keys[string(e.key)] = true
		}
		held[l.set.Name] = keys
	}
	return g, held, nil
}

// elementsOf reads the elements of one set.
func (s *session) elementsOf(ctx context.Context, set string) ([]rawElement, error) {
	request := append(attribute.String(unix.NFTA_SET_ELEM_LIST_TABLE, firewall.Table),
		attribute.String(unix.NFTA_SET_ELEM_LIST_SET, set)...)
	var messages [][]byte
	err := s.ask(ctx, unix.NFT_MSG_GETSETELEM, netlink.Dump, request, func(b []byte) { messages = append(messages, b) })
	if err != nil {
		return nil, err
	}
	return decodeElements(messages)
}

// Learned is what the table's timed sets held when it was read, with the time that was left: those that packets do not
// fill, and whose keys are addresses.
func (d Dump) Learned() []Learned {
	var learned []Learned
	for _, s := range d.table.sets {
		if !s.is(unix.NFT_SET_TIMEOUT) || s.is(unix.NFT_SET_EVAL) || s.anonymous() {
			continue
		}
		for _, e := range s.elements {
			if addr, ok := netip.AddrFromSlice(e.key); ok && e.expires() {
				learned = append(learned, Learned{
					Set: s.name, Addr: addr, Timeout: milliseconds(e.attrs.NumberOr0(unix.NFTA_SET_ELEM_EXPIRATION)),
				})
			}
		}
	}
	return learned
}
