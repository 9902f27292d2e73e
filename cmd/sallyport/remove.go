package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/firewall"
	"sallyport/firewall/guard"
)

var errGuarded = errors.New("a guard is running, and would put the table back: stop it first (`systemctl stop` its " +
	"unit, or end `sallyport run`), then remove the table")

func newRemove(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "remove",
		Short: "Take Sallyport's table off the kernel: the host is open then",
		Long: "Take the table inet sallyport off the kernel, a trial in it too, and forget what was in force, so that no\n" +
			"boot puts it back by `apply --last`. The host is open then, as far as no other firewall is there.\n" +
			"While a guard runs it is refused, whatever is said: the guard would put the table back.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), applyTimeout)
			defer cancel()
			at := opts.places()
			if guarded(ctx, at.runtime) {
				return errGuarded
			}
			err := byHand(ctx, at, func(h *hand) error {
				if err := h.book.writable(); err != nil {
					return err
				}
				if err := h.live.Remove(ctx); err != nil {
					return err
				}
				return unrecorded(h.book.change(func(r *guard.Record) { *r = guard.Record{Runtime: r.Runtime} }))
			})
			if errors.Is(err, errGuardCame) {
				return errGuarded
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the table inet %s is not in the kernel: the host is open, other rules "+
				"aside\n", firewall.Table)
			return err
		},
	}
}
