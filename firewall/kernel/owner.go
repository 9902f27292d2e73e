package kernel

import (
	"context"
	"errors"
	"fmt"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/sockets"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// ErrOwned says that another program's netlink socket owns the table (its flag owner, kernel 5.12): only that program, or
// its end, lets others write. The text names the program where it can be told.
var ErrOwned = errors.New("owned by another program, which must end first")

// errNotHeld says that the table came out right, and not in our possession.
var errNotHeld = errors.New("the table does not belong to this connection, though it was to")

// Ownership is how a connection holds the table that it writes.
type Ownership uint8

const (
	// OwnershipWatch leaves the table open to whoever may write nftables: a guard sees the change and repairs it. A table
	// that this connection owns is given up, and one that another owns is ErrOwned.
	OwnershipWatch Ownership = iota
	// OwnershipAuto is OwnershipOwner where the kernel has it, and else OwnershipWatch.
	OwnershipAuto
	// OwnershipOwner has the kernel refuse everybody else's changes with EPERM, and `nft flush ruleset` pass the table
	// by, as long as the connection lives. After its end, however it came, the table stays in force as an orphan, which
	// anybody may change and the next owner adopts (flags owner and persist, kernel 6.9). The flag owner alone, which
	// kernels from 5.12 have, is never used: with it the table goes when its owner ends.
	OwnershipOwner
)

// ownerFlags come together or not at all.
const ownerFlags = nftables.TableFlagOwner | nftables.TableFlagPersist

// SetOwnership says how Apply and Repair are to hold the table from now on. A new connection watches.
func (c *Conn) SetOwnership(o Ownership) { c.ownership = o }

// wantsOwner says whether the table is to be owned. It is ErrUnsupported where it must be and the kernel cannot.
func (c *Conn) wantsOwner() (bool, error) {
	if c.ownership == OwnershipWatch {
		return false, nil
	}
	if c.ownable == nil {
		can, err := c.canOwn()
		if err != nil {
			return false, err
		}
		c.ownable = &can
	}
	if !*c.ownable && c.ownership == OwnershipOwner {
		return false, fmt.Errorf("%w: the table flags owner and persist (Linux 6.9): "+
			"take such a kernel, or firewall.ownership: auto or watch", ErrUnsupported)
	}
	return *c.ownable, nil
}

// canOwn tries: a table with the flags is added and deleted in one transaction, so that nobody ever sees it. What a
// release number says is no proof: distributions take features back to older ones.
func (c *Conn) canOwn() (bool, error) {
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: probeTable, Flags: ownerFlags}
	c.nft.AddTable(table)
	c.nft.DelTable(table)
	err := c.nft.Flush()
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL): // nf_tables_newtable before 6.9, and before 5.12
		return false, nil
	default:
		return false, fmt.Errorf("try the table flags owner and persist: %w", reason(err))
	}
}

// owned says whether a living socket owns the table.
func (t rawTable) owned() bool { return t.flags&nftTableOwner != 0 }

// orphan says whether the owner of the table has ended (nft_table_is_orphan, kernel 6.9).
func (t rawTable) orphan() bool { return !t.owned() && t.flags&nftTablePersist != 0 }

// ownerPort is the netlink port of the socket that owns the table, 0 where none does.
func (t rawTable) ownerPort() uint32 {
	attrs, err := attribute.Parse(t.source.Table)
	if err != nil || !t.owned() {
		return 0
	}
	return uint32(attrs.NumberOr0(nftaTableOwner))
}

// holds says whether this connection owns the table.
func (c *Conn) holds(t rawTable) bool {
	port, err := c.nft.GetPortID()
	return err == nil && t.owned() && t.ownerPort() == port
}

// Owned says whether a living socket owned the table when it was read, so that nobody else could change it.
func (d Dump) Owned() bool { return d.table.owned() }

// ownedBy is ErrOwned with the owner's name.
func ownedBy(table string, live rawTable) error {
	return fmt.Errorf("table inet %s is %w: %s", table, ErrOwned, sockets.PortHolder(live.ownerPort()))
}

// claim brings the table into the possession that is wanted before it is written, without a gap, and returns what is
// known of it then. The table live is what was seen before, or the zero one.
//
//   - Ours, and not to be owned: the socket that owns it is closed, which makes it an orphan, and another is opened.
//   - An orphan that is to be owned is adopted by adding the table again with both flags. That is a transaction of its
//     own: the kernel adds no base chain in one that changes the table (nf_tables_addchain). While it has to be woken or
//     put to sleep, it is not adopted: the flags of an owned table cannot be changed (nf_tables_updtable).
//   - One without an owner and without the flag persist cannot be adopted: it is replaced, behind a bridge.
func (c *Conn) claim(ctx context.Context, o order, live rawTable) (rawTable, error) {
	if live.source.generation == 0 {
		var err error
		if live, err = c.lookFor(ctx, o); err != nil && !errors.Is(err, ErrNoTable) {
			return rawTable{}, err
		}
	}
	asleep := live.flags&unix.NFT_TABLE_F_DORMANT != 0
	toggle := asleep != o.code.Ruleset.Dormant
	switch {
	case live.source.Table == nil:
		return live, nil
	case live.owned() && !c.holds(live):
		return rawTable{}, ownedBy(o.table, live)
	case live.owned() && !o.own:
		return rawTable{}, c.disown()
	case live.owned() && toggle, o.own && !live.owned() && !live.orphan():
		return rawTable{}, c.handOver(ctx, o)
	case o.own && live.orphan() && !toggle:
		return rawTable{}, c.adopt(o.table, live)
	default:
		return live, nil
	}
}

// adopt takes an orphan into possession, as it is.
func (c *Conn) adopt(table string, live rawTable) error {
	c.nft.AddTable(&nftables.Table{
		Family: nftables.TableFamilyINet, Name: table, Flags: nftables.TableFlags(live.flags) | ownerFlags,
	})
	if err := c.nft.Flush(); err != nil {
		return fmt.Errorf("adopt table inet %s: %w", table, reason(err))
	}
	return nil
}

// disown makes an orphan of the table that this connection owns. No other way to give it up is known to the kernel.
func (c *Conn) disown() error {
	fresh, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", reason(err))
	}
	old := c.nft
	c.nft = fresh
	return old.CloseLasting()
}
