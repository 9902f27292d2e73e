package guard

import (
	"context"

	"sallyport/firewall/kernel"
)

// SetOwnership says how the table is to be held from the next Put or repair on. A new guard's kernel watches. The error is
// that of waiting for the turn.
func (g *Guard) SetOwnership(ctx context.Context, o kernel.Ownership) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	g.live.SetOwnership(o)
	return nil
}
