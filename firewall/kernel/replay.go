package kernel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/census"
)

// What a copy may come to, for errors.Is.
var (
	// ErrNotCopied says that a table cannot be copied: the kernel took it once, and does not take it again.
	ErrNotCopied = errors.New("cannot be copied")
	// ErrOccupied says that a ruleset was not replayed, because where it should be there is one.
	ErrOccupied = errors.New("there are tables here already")
)

const (
	maxCopiedTables = 256
	copyBytes       = 64 << 20 // of all tables together, as the kernel tells them
	copyLimit       = 20 * time.Second
)

// Tables is every table of one network namespace, ours and others', as the kernel told them: raw, so that also what
// package firewall has no word for can be put in force elsewhere.
type Tables struct {
	list       []copied
	generation uint32
	namespace  string // where they were read: Replay refuses to write there
}

// copied is one table of a family.
type copied struct {
	family byte
	snapshot
}

// TableID names a table.
type TableID struct {
	Family string // as nft has it: ip, ip6, inet, arp, bridge, netdev
	Name   string // as others chose it: not to be trusted
}

// String is the table as nft names it, in printable ASCII.
func (t TableID) String() string {
	name := fmt.Sprintf("%+q", t.Name)
	if plain := name[1 : len(name)-1]; plain == t.Name && !strings.ContainsAny(plain, " ;{}") {
		name = plain
	}
	return "table " + t.Family + " " + name
}

func (c copied) id() TableID { return TableID{Family: census.FamilyName(c.family), Name: c.Name} }

// nftFamilies are those that have tables (linux/netfilter.h).
func nftFamilies() []byte {
	return []byte{
		unix.NFPROTO_INET, unix.NFPROTO_IPV4, unix.NFPROTO_IPV6, unix.NFPROTO_ARP, unix.NFPROTO_BRIDGE, unix.NFPROTO_NETDEV,
	}
}

// IDs names the tables, in the order in which they were read.
func (t Tables) IDs() []TableID {
	ids := make([]TableID, 0, len(t.list))
	for _, c := range t.list {
		ids = append(ids, c.id())
	}
	return ids
}

// Differing names the tables of which the other ones have none, or one that says something else, both ways, in normal
// form (see Dump): what packets add and what expires is not compared. The error is that of tables which cannot be read.
func (t Tables) Differing(other Tables) ([]TableID, error) {
	ours, err := t.normalForms()
	if err != nil {
		return nil, err
	}
	theirs, err := other.normalForms()
	if err != nil {
		return nil, err
	}
	var differ []TableID
	for _, c := range t.list {
		if form, ok := theirs[c.id()]; !ok || form != ours[c.id()] {
			differ = append(differ, c.id())
		}
	}
	for _, c := range other.list {
		if _, ok := ours[c.id()]; !ok {
			differ = append(differ, c.id())
		}
	}
	return differ, nil
}

func (t Tables) normalForms() (map[TableID]string, error) {
	forms := make(map[TableID]string, len(t.list))
	for _, c := range t.list {
		form, err := c.normalForm()
		if err != nil {
			return nil, fmt.Errorf("kernel: %s: %w", c.id(), err)
		}
		forms[c.id()] = form
	}
	return forms, nil
}

func (c copied) normalForm() (string, error) {
	table, err := decodeTable(c.snapshot)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = table.normalise(&b)
	return b.String(), err
}

// Dump writes the normal form of each table, for a person who must see where two differ.
func (t Tables) Dump(w io.Writer) error {
	for _, c := range t.list {
		form, err := c.normalForm()
		if err != nil {
			return fmt.Errorf("kernel: %s: %w", c.id(), err)
		}
		if _, err := fmt.Fprintf(w, "%s\n%s", c.id(), form); err != nil {
			return err
		}
	}
	return nil
}

// Replay puts the tables in force in the network namespace of the calling thread, which must be a throw-away one without
// any: each table in one transaction, with the same names, elements, timeouts and interface indexes. Handles, owners and
// what base chains have counted are not replayed. The errors are ErrOccupied, ErrNotCopied with the table, and the
// context's.
func (t Tables) Replay(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, copyLimit,
		fmt.Errorf("no copy of the ruleset in %s: %w", copyLimit, context.DeadlineExceeded))
	defer cancel()
	here, err := networkNamespace()
	if err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	if here == t.namespace {
		return fmt.Errorf("kernel: nothing was written: this is where the ruleset was read: %w", ErrOccupied)
	}
	there, err := ReadTables(ctx)
	if err != nil {
		return err
	}
	if len(there.list) > 0 {
		return fmt.Errorf("kernel: nothing was written: %w", ErrOccupied)
	}
	socket, err := openBatch()
	if err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	defer socket.close()
	for _, c := range t.list {
		messages, err := c.messages()
		if err == nil {
			err = socket.commit(ctx, messages)
		}
		if err != nil {
			return fmt.Errorf("kernel: %s %w: %w", c.id(), ErrNotCopied, err)
		}
	}
	return nil
}

// DeleteTable deletes a table of the network namespace of the calling thread, with all that is in it. It is for a
// throw-away one: on a host it would be somebody else's.
func DeleteTable(ctx context.Context, id TableID) error {
	for _, family := range nftFamilies() {
		if census.FamilyName(family) != id.Family {
			continue
		}
		socket, err := openBatch()
		if err != nil {
			return fmt.Errorf("kernel: %w", err)
		}
		defer socket.close()
		attrs := attribute.String(unix.NFTA_TABLE_NAME, id.Name)
		err = socket.commit(ctx, []replayMessage{{kind: unix.NFT_MSG_DELTABLE, family: family, attrs: attrs}})
		if err != nil {
			return fmt.Errorf("kernel: delete %s: %w", id, err)
		}
		return nil
	}
	return fmt.Errorf("kernel: delete %s: no such family", id)
}
