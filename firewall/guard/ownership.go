package guard

import (
	"context"

	"sallyport/firewall/kernel"
)

// SetOwnership says how the table is to be held from the next Put or repair on, and returns how it was: who cannot put
// anything in force so must say that again, for no repair could either. A new guard's kernel watches. The error is that of
// waiting for the turn.
func (g *Guard) SetOwnership(ctx context.Context, o kernel.Ownership) (former kernel.Ownership, err error) {
	if err := g.take(ctx); err != nil {
		return kernel.OwnershipWatch, err
	}
	defer g.give()
	former, g.ownership = g.ownership, o
	g.live.SetOwnership(o)
	return former, nil
}
