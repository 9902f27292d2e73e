package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// Golden is the rehearsal: what the kernel holds when exactly this ruleset is applied, as a dump to compare the live one
// with. The same transaction is applied in a network namespace that is made for it and thrown away; the caller's own is
// not touched, not even for a moment. Where the process may not make one (a guard has CAP_NET_ADMIN, not CAP_SYS_ADMIN),
// a child in a user namespace of its own makes it, if the program calls RehearseMain. The errors are ErrNoNamespace where
// neither can be done, and those of Apply and Dump.
func Golden(ctx context.Context, r firewall.Ruleset) (Dump, error) {
	s, err := rehearsed(ctx, r)
	if err != nil {
		return Dump{}, fmt.Errorf("kernel: rehearsal: %w", err)
	}
	return newDump(s)
}

func rehearsed(ctx context.Context, r firewall.Ruleset) (snapshot, error) {
	var s snapshot
	err := InNamespace(ctx, func(ctx context.Context) (err error) {
		s, err = applyAndRead(ctx, r)
		return err
	})
	if !errors.Is(err, ErrNoNamespace) {
		return s, err
	}
	s, childErr := goldenChild(ctx, r)
	if errors.Is(childErr, errNoChild) {
		return snapshot{}, fmt.Errorf("%w; %w", err, childErr)
	}
	return s, childErr
}

// applyAndRead applies a ruleset in the namespace of the calling thread, which must be a throw-away one.
func applyAndRead(ctx context.Context, r firewall.Ruleset) (s snapshot, err error) {
	c, err := Open()
	if err != nil {
		return snapshot{}, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	got, err := c.apply(ctx, r)
	return got.source, err
}

// rehearsalTable is the table of a rehearsal where no namespace can be made.
const rehearsalTable = firewall.Table + "-rehearsal"

// Golden is the function of that name, and where no namespace can be made a rehearsal in the namespace of the connection:
// in a table of another name, dormant, so that its hooks are never registered and it judges no packet. That table is
// deleted before Golden returns; one that a kill has left behind is overwritten by the next. Who must not write at all
// takes the function.
func (c *Conn) Golden(ctx context.Context, r firewall.Ruleset) (Dump, error) {
	d, err := Golden(ctx, r)
	if !errors.Is(err, ErrNoNamespace) {
		return d, err
	}
	return c.dormantGolden(ctx, r)
}

func (c *Conn) dormantGolden(ctx context.Context, r firewall.Ruleset) (d Dump, err error) {
	dormant := r
	dormant.Dormant = true
	code, err := encode.Ruleset(dormant)
	if err != nil {
		return Dump{}, fmt.Errorf("kernel: %w", err)
	}
	defer func() { err = errors.Join(err, c.removeRehearsal()) }()
	if err := c.write(ctx, order{table: rehearsalTable, code: code, rebuild: true}, rawTable{}); err != nil {
		return Dump{}, fmt.Errorf("kernel: dormant rehearsal: %w", err)
	}
	table, err := c.look(ctx, rehearsalTable)
	if err != nil {
		return Dump{}, fmt.Errorf("kernel: dormant rehearsal: %w", err)
	}
	table.flags &^= unix.NFT_TABLE_F_DORMANT
	if r.Dormant {
		table.flags |= unix.NFT_TABLE_F_DORMANT
	}
	return dumpOf(table)
}

// removeRehearsal deletes the rehearsal's table, whether it is there or not: it is added first.
func (c *Conn) removeRehearsal() error {
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: rehearsalTable, Flags: nftables.TableFlagDormant}
	c.nft.AddTable(table)
	c.nft.DelTable(table)
	if err := c.nft.Flush(); err != nil {
		return fmt.Errorf("kernel: delete table inet %s: %w", rehearsalTable, reason(err))
	}
	return nil
}
