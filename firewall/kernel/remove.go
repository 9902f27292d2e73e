package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Remove takes the table inet sallyport off the kernel, with all that is in it, whoever made it, also an orphan: the host
// is open then, other rules aside. That there is none is no error. The errors are ErrNotPermitted, ErrOwned,
// ErrNoNftables, ErrUnsteady and the context's.
func (c *Conn) Remove(ctx context.Context) error {
	live, err := c.look(ctx, firewall.Table)
	switch {
	case errors.Is(err, ErrNoTable):
		err = nil
	case err != nil:
	case live.owned() && !c.holds(live):
		err = ownedBy(firewall.Table, live)
	default:
		err = c.deleteTable(firewall.Table)
	}
	if err == nil {
		c.swept = false
		err = errors.Join(c.sweep(ctx), c.sweepTrace())
	}
	if err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	return nil
}

// sweepTrace deletes what a trace has left that was killed, on a kernel without owners. A table that is owned is in use.
func (c *Conn) sweepTrace() error {
	if err := c.deleteTable(traceTable); err != nil && !errors.Is(err, unix.EPERM) {
		return err
	}
	return nil
}

// deleteTable deletes a table of the family inet with all that is in it.
func (c *Conn) deleteTable(name string) error {
	c.nft.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: name})
	if err := c.nft.Flush(); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete table inet %s: %w", name, reason(err))
	}
	return nil
}
