package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Remove takes the table inet sallyport off the kernel, with all that is in it: the host is open then, other rules aside.
// That there is none is no error. The errors are ErrNotPermitted, ErrOwned, ErrNoNftables and the context's.
func (c *Conn) Remove(ctx context.Context) error {
	live, err := c.look(ctx, firewall.Table)
	if errors.Is(err, ErrNoTable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	c.nft.DelTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: firewall.Table})
	switch err := c.nft.Flush(); {
	case err == nil, errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EPERM) && live.flags&nftTableOwner != 0:
		return fmt.Errorf("kernel: table inet %s: %w", firewall.Table, ErrOwned)
	default:
		return fmt.Errorf("kernel: delete table inet %s: %w", firewall.Table, reason(err))
	}
}
