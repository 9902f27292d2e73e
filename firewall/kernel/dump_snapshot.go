package kernel

import (
	"context"
	"errors"
	"fmt"
	"sallyport/firewall/kernel/attribute"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// snapshot is a table as netlink messages without their headers. The fields are exported for gob, which carries a
// snapshot out of a rehearsal's child process.
type snapshot struct {
	Name       string
	Table      []byte
	Chains     [][]byte
	Rules      [][]byte
	Sets       [][]byte
	Elements   map[string][][]byte // by the set's name
	Unread     map[string]bool     // sets whose elements were left out
	Objects    [][]byte
	Flowtables [][]byte

	generation uint32 // of the namespace's ruleset: the next commit, of anybody, has another
}

// worth says whether the elements of a set are to be read, by its name and flags. What it asks the kernel, it asks by the
// session.
type worth func(s *session, set string, flags uint64) (bool, error)

const (
	snapshotTries = 20                   // each change of any table in the namespace costs one
	snapshotPause = 2 * time.Millisecond // times the number of tries so far
)

// snapshot reads one table of the family inet. A dump is many requests, between which anyone may change the ruleset: the
// generation that each commit raises must be the same before and after, or all is read again. With ErrNoTable, the
// generation is still told.
func (c *Conn) snapshot(ctx context.Context, name string, worth worth) (snapshot, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dumpLimit,
		fmt.Errorf("no whole dump in %s: %w", dumpLimit, context.DeadlineExceeded))
	defer cancel()
	var last error
	for try := range snapshotTries {
		if err := pause(ctx, time.Duration(try)*snapshotPause); err != nil {
			return snapshot{}, err
		}
		s, err := c.trySnapshot(ctx, name, worth)
		if err == nil || !transient(err) {
			return s, err
		}
		last = err
	}
	return snapshot{}, fmt.Errorf("%w: gave up after %d tries: %w", ErrUnsteady, snapshotTries, last)
}

// transient says that reading again may help: a list torn by a change, an object gone between two requests, or a receive
// buffer that overflowed.
func transient(err error) bool {
	return errors.Is(err, errInterrupted) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOBUFS)
}

func pause(ctx context.Context, d time.Duration) error {
	if err := context.Cause(ctx); err != nil || d == 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *Conn) trySnapshot(ctx context.Context, name string, worth worth) (s snapshot, err error) {
	session, err := c.session(ctx)
	if err != nil {
		return snapshot{}, err
	}
	defer func() { c.end(session, err) }()
	s = snapshot{Name: name, Elements: make(map[string][][]byte), Unread: make(map[string]bool)}
	if s.generation, err = session.generation(ctx); err != nil {
		return snapshot{}, err
	}
	if s.Table, err = session.table(ctx, name); err != nil {
		return s, err
	}
	if err = session.fill(ctx, &s, worth); err != nil {
		return snapshot{}, err
	}
	after, err := session.generation(ctx)
	if err == nil && after != s.generation {
		err = errInterrupted
	}
	return s, err
}

// generation is a number that each commit to any table of the network namespace raises. The request has no attributes, so
// that the kernel can find nothing invalid in it but the subsystem itself.
func (s *session) generation(ctx context.Context) (uint32, error) {
	var generation uint32
	var parsed error
	err := s.ask(ctx, unix.NFT_MSG_GETGEN, 0, nil, func(b []byte) {
		var attrs attribute.List
		attrs, parsed = attribute.Parse(b)
		generation = uint32(attrs.NumberOr0(unix.NFTA_GEN_ID))
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return 0, fmt.Errorf("%w: %w", ErrNoNftables, err)
	}
	return generation, errors.Join(err, parsed)
}

func (s *session) table(ctx context.Context, name string) ([]byte, error) {
	var table []byte
	err := s.ask(ctx, unix.NFT_MSG_GETTABLE, 0, attribute.String(unix.NFTA_TABLE_NAME, name), func(b []byte) { table = b })
	if errors.Is(err, unix.ENOENT) {
		// Not wrapped: ENOENT elsewhere means that something vanished between two requests.
		return nil, fmt.Errorf("table inet %s: %w", name, ErrNoTable)
	}
	return table, err
}

// fill reads what is in the table.
func (s *session) fill(ctx context.Context, to *snapshot, worth worth) error {
	lists := []struct {
		message uint16
		into    *[][]byte
	}{
		{unix.NFT_MSG_GETCHAIN, &to.Chains},
		{unix.NFT_MSG_GETRULE, &to.Rules},
		{unix.NFT_MSG_GETSET, &to.Sets},
		{unix.NFT_MSG_GETOBJ, &to.Objects},
		{unix.NFT_MSG_GETFLOWTABLE, &to.Flowtables},
	}
	for _, list := range lists {
		// In each of these the attribute 1 is the table's name.
		err := s.ask(ctx, list.message, netlink.Dump, attribute.String(tableAttribute, to.Name), func(b []byte) {
			if ofTable(b, to.Name) {
				*list.into = append(*list.into, b)
			}
		})
		if err != nil {
			return err
		}
	}
	return s.elements(ctx, to, worth)
}

// tableAttribute is NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE, NFTA_OBJ_TABLE and
// NFTA_FLOWTABLE_TABLE.
const tableAttribute = 1

// ofTable says whether a message is about our table. The kernel filters all lists by table but that of chains. What
// another table's message holds after the table's name is not looked at.
func ofTable(message []byte, name string) bool {
	for len(message) > 0 {
		a, rest, err := attribute.Next(message)
		if err != nil {
			return false
		}
		if a.Kind == tableAttribute {
			return attribute.Text(a.Data) == name
		}
		message = rest
	}
	return false
}

// elements reads those of every set but of the dynamic ones: packets add there, and Dump leaves them out.
func (s *session) elements(ctx context.Context, to *snapshot, worth worth) error {
	for _, set := range to.Sets {
		attrs, err := attribute.Parse(set)
		if err != nil {
			return fmt.Errorf("set: %w", err)
		}
		flags := attrs.NumberOr0(unix.NFTA_SET_FLAGS)
		if flags&unix.NFT_SET_EVAL != 0 {
			continue
		}
		name := attrs.Text(unix.NFTA_SET_NAME)
		if worth != nil {
			read, err := worth(s, name, flags)
			if err != nil {
				return err
			}
			if !read {
				to.Unread[name] = true
				continue
			}
		}
		request := append(attribute.String(unix.NFTA_SET_ELEM_LIST_TABLE, to.Name),
			attribute.String(unix.NFTA_SET_ELEM_LIST_SET, name)...)
		err = s.ask(ctx, unix.NFT_MSG_GETSETELEM, netlink.Dump, request, func(b []byte) {
			to.Elements[name] = append(to.Elements[name], b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
