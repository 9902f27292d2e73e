package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// applyLast puts the ruleset that the record says was in force last in force again, written and read back without a
// rehearsal: for a unit that runs before the network comes up, when there is no time and nobody to ask. It asks nothing of
// the configuration but where the record is.
func applyLast(ctx context.Context, w io.Writer, opts *options) error {
	at := opts.places()
	var committed *guard.Recorded
	err := byHand(ctx, at, func(h *hand) error {
		if h.unread != nil {
			return h.unread
		}
		if committed = h.book.now().Committed; committed == nil {
			return fmt.Errorf("%s tells of no ruleset that was in force", h.book.store.Path())
		}
		live, err := h.live.Dump(ctx)
		if err != nil && !errors.Is(err, kernel.ErrNoTable) {
			return err
		}
		if _, running := live.Trial(); running {
			return guard.ErrTrialRuns
		}
		ruleset, err := committed.Ruleset()
		if err != nil {
			return err
		}
		return h.live.Apply(ctx, ruleset)
	})
	switch {
	case errors.Is(err, errGuardCame):
		return errors.New("a guard is running: it keeps its ruleset in force")
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(w, "in force as it was since %s: %s\n", committed.Since.Format(time.RFC3339), committed.Hash)
	return err
}
