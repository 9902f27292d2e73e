package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// bridgeTable holds the same rules as the table while that is made anew: a base chain that is deleted and added again
// lets packets through, even within one transaction, and those the bridge judges.
const bridgeTable = firewall.Table + "-handover"

// handOver replaces the table by one that this connection owns, and that judges nothing yet: its base chains are for the
// write that comes next. The old one is in force before, and what is wanted is in force after; in between both are, and a
// packet must please both. A kill in between leaves the bridge behind, which the next write sweeps away.
//
// Base chains come last, in the bridge too: a set of intervals is found empty for a moment after the commit that makes it
// (stages), and nothing is to ask it then.
func (c *Conn) handOver(ctx context.Context, o order) (err error) {
	c.swept = false
	defer func() {
		if err != nil {
			err = errors.Join(err, c.sweep(ctx))
		}
	}()
	for _, bridge := range []order{
		{table: bridgeTable, code: withoutBases(o.code), rebuild: true, own: o.own},
		{table: bridgeTable, code: o.code, own: o.own},
	} {
		if err := c.write(ctx, bridge, rawTable{}); err != nil {
			return fmt.Errorf("a bridge to take over: %w", err)
		}
	}
	got, err := c.look(ctx, bridgeTable)
	if err != nil {
		return fmt.Errorf("a bridge to take over: %w", err)
	}
	if drift := firewall.Diff(o.code.Ruleset, readTable(got)); !drift.Empty() {
		return fmt.Errorf("a bridge to take over: %w", &MismatchError{Drift: drift})
	}
	return c.replace(ctx, o)
}

// withoutBases is everything but the base chains.
func withoutBases(e encode.Code) encode.Code {
	bases := make(map[string]bool)
	e.Ruleset.Chains = slices.DeleteFunc(slices.Clone(e.Ruleset.Chains), func(c firewall.Chain) bool {
		bases[c.Name] = c.Hook != nil
		return bases[c.Name]
	})
	e.Rules = slices.DeleteFunc(slices.Clone(e.Rules), func(r encode.Rule) bool { return bases[r.Chain] })
	return e
}

// replace deletes the table and makes it anew but for its base chains, in one transaction. The named counters go on from
// where they were.
func (c *Conn) replace(ctx context.Context, o order) error {
	for try := range applyTries {
		if err := pause(ctx, time.Duration(try)*applyPause); err != nil {
			return err
		}
		live, err := c.look(ctx, o.table)
		if errors.Is(err, ErrNoTable) {
			return nil // somebody deleted it: it is written as one that is not there
		}
		if err != nil {
			return err
		}
		t := newTransaction(c.nft, o, rawTable{source: snapshot{generation: live.source.generation}})
		t.counted = Dump{table: live}.Counters()
		c.nft.DelTable(t.table)
		switch err := c.commit(t, withoutBases(o.code)); {
		case errors.Is(err, unix.ERESTART), errors.Is(err, unix.EINTR):
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			return fmt.Errorf("replace table inet %s: %w", o.table, c.explain(o.code, err))
		default:
			return nil
		}
	}
	return fmt.Errorf("%w: gave up after %d tries to replace the table", ErrUnsteady, applyTries)
}

// sweep deletes a bridge that is left. One that a living process owns is in use: that process takes over just now.
func (c *Conn) sweep(ctx context.Context) error {
	if c.swept {
		return nil
	}
	left, err := c.look(ctx, bridgeTable)
	switch {
	case errors.Is(err, ErrNoTable):
	case err != nil:
		return err
	case left.owned() && !c.holds(left):
		return nil
	default:
		if err := c.deleteTable(bridgeTable); err != nil {
			return err
		}
	}
	c.swept = true
	return nil
}
