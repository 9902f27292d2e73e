package kernel

import (
	"cmp"
	"context"
	"fmt"
	"sallyport/firewall/kernel/attribute"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ReadTables reads every table of the network namespace of the calling thread, all of one generation. The errors are those
// of Conn.Dump, and ErrTooLarge for more than is copied.
func ReadTables(ctx context.Context) (Tables, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dumpLimit,
		fmt.Errorf("no whole dump in %s: %w", dumpLimit, context.DeadlineExceeded))
	defer cancel()
	namespace, err := networkNamespace()
	if err != nil {
		return Tables{}, fmt.Errorf("kernel: %w", err)
	}
	reader := &Conn{} // which only reads
	defer func() { _ = reader.closeReader() }()
	var last error
	for try := range snapshotTries {
		if err := pause(ctx, time.Duration(try)*snapshotPause); err != nil {
			return Tables{}, fmt.Errorf("kernel: %w", err)
		}
		t, err := reader.tryAllTables(ctx)
		t.namespace = namespace
		if err == nil {
			return t, nil
		}
		if !transient(err) {
			return Tables{}, fmt.Errorf("kernel: %w", err)
		}
		last = err
	}
	return Tables{}, fmt.Errorf("kernel: %w: gave up after %d tries: %w", ErrUnsteady, snapshotTries, last)
}

func (c *Conn) tryAllTables(ctx context.Context) (t Tables, err error) {
	session, err := c.session(ctx)
	if err != nil {
		return Tables{}, err
	}
	defer func() { c.end(session, err) }()
	session.budget = copyBytes
	if t.generation, err = session.generation(ctx); err != nil {
		return Tables{}, err
	}
	for _, family := range nftFamilies() {
		if err = session.familyTables(ctx, family, &t); err != nil {
			return Tables{}, err
		}
	}
	// Base chains of one hook and priority are asked in the order in which they were made, over all families: tables are
	// numbered as they are made.
	slices.SortStableFunc(t.list, func(a, b copied) int { return cmp.Compare(a.number(), b.number()) })
	after, err := session.generation(ctx)
	if err == nil && after != t.generation {
		err = errInterrupted
	}
	return t, err
}

// number is the handle of the table.
func (c copied) number() uint64 {
	attrs, err := attribute.Parse(c.Table)
	if err != nil {
		return 0
	}
	return attrs.NumberOr0(nftaTableHandle)
}

// familyTables adds the tables of a family, each with what is in it.
func (s *session) familyTables(ctx context.Context, family byte, to *Tables) error {
	first := len(to.list)
	err := s.askFamily(ctx, family, unix.NFT_MSG_GETTABLE, nil, func(b []byte) {
		name := ""
		if attrs, err := attribute.Parse(b); err == nil {
			name = attrs.Text(unix.NFTA_TABLE_NAME)
		}
		to.list = append(to.list, copied{family, snapshot{Name: name, Table: b, Elements: make(map[string][][]byte)}})
	})
	if err != nil {
		return err
	}
	if len(to.list) > maxCopiedTables {
		return fmt.Errorf("%w: more than %d tables", ErrTooLarge, maxCopiedTables)
	}
	for i := first; i < len(to.list); i++ {
		if err := s.fillCopy(ctx, &to.list[i]); err != nil {
			return err
		}
	}
	return nil
}

// fillCopy is fill for a table of any family, dynamic sets included: who is banned for an hour is banned in the copy too.
func (s *session) fillCopy(ctx context.Context, to *copied) error {
	for _, list := range []struct {
		message uint16
		into    *[][]byte
	}{
		{unix.NFT_MSG_GETCHAIN, &to.Chains}, {unix.NFT_MSG_GETRULE, &to.Rules}, {unix.NFT_MSG_GETSET, &to.Sets},
		{unix.NFT_MSG_GETOBJ, &to.Objects}, {unix.NFT_MSG_GETFLOWTABLE, &to.Flowtables},
	} {
		request := attribute.String(tableAttribute, to.Name)
		err := s.askFamily(ctx, to.family, list.message, request, func(b []byte) {
			if ofTable(b, to.Name) {
				*list.into = append(*list.into, b)
			}
		})
		if err != nil {
			return err
		}
	}
	for _, set := range to.Sets {
		attrs, err := attribute.Parse(set)
		if err != nil {
			return fmt.Errorf("set: %w", err)
		}
		name := attrs.Text(unix.NFTA_SET_NAME)
		request := append(attribute.String(unix.NFTA_SET_ELEM_LIST_TABLE, to.Name),
			attribute.String(unix.NFTA_SET_ELEM_LIST_SET, name)...)
		err = s.askFamily(ctx, to.family, unix.NFT_MSG_GETSETELEM, request, func(b []byte) {
			to.Elements[name] = append(to.Elements[name], b)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// askFamily is ask for the lists of a family.
func (s *session) askFamily(ctx context.Context, family byte, message uint16, attrs []byte, f func([]byte)) error {
	return s.askOf(ctx, family, message, netlink.Dump, attrs, func(_ byte, b []byte) { f(b) })
}
