package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/firewall/guard"
	"sallyport/report/history"
)

const (
	historyTimeout = 30 * time.Second
	// historyMost is how many records of a kind one question may ask for.
	historyMost = 100_000
)

type historyFlags struct {
	since  time.Duration
	check  string
	limit  int
	format string
}

func newHistory(opts *options) *cobra.Command {
	var flags historyFlags
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Say what happened: every change of state, and who knocked",
		Long: "Say what happened, from the database that the daemon keeps (report.history): every change of what was\n" +
			"believed of a check, the oldest first, and who was refused at a port of this host. The daemon need not run.",
		Example: "  sallyport history --since 12h\n  sallyport history --check firewall -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), historyTimeout)
			defer cancel()
			excerpt, err := recall(ctx, opts, flags)
			if err != nil {
				return err
			}
			if flags.format == "json" {
				return excerpt.JSON(cmd.OutOrStdout())
			}
			return excerpt.Text(cmd.OutOrStdout())
		},
	}
	bindOutput(cmd, &flags.format, "text", "json")
	cmd.Flags().DurationVar(&flags.since, "since", 24*time.Hour, "how far back")
	cmd.Flags().StringVar(&flags.check, "check", "", "one check alone, by its `NAME`; who knocked stands under firewall")
	cmd.Flags().IntVar(&flags.limit, "limit", 200, "the latest `N` of each kind")
	return cmd
}

func recall(ctx context.Context, opts *options, flags historyFlags) (history.Excerpt, error) {
	switch {
	case flags.since <= 0:
		return history.Excerpt{}, fmt.Errorf("--since %s: how far back, as in 12h", flags.since)
	case flags.limit < 1 || flags.limit > historyMost:
		return history.Excerpt{}, fmt.Errorf("--limit %d: from 1 to %d", flags.limit, historyMost)
	}
	conf, err := opts.loadPolicy()
	if err != nil {
		return history.Excerpt{}, err
	}
	if conf.Report.History == nil {
		return history.Excerpt{}, fmt.Errorf("%s: no history is kept: add report.history", conf.File)
	}
	reader, err := history.Open(ctx, conf.Report.History.Path)
	if err != nil {
		return history.Excerpt{}, fmt.Errorf("report.history: %w", err)
	}
	excerpt, err := excerptOf(ctx, reader, flags)
	return excerpt, errors.Join(err, reader.Close())
}

func excerptOf(ctx context.Context, reader *history.Reader, flags historyFlags) (history.Excerpt, error) {
	q := history.Query{Since: time.Now().Add(-flags.since), Check: flags.check, Limit: flags.limit}
	transitions, err := reader.Transitions(ctx, q)
	if err != nil {
		return history.Excerpt{}, err
	}
	var knocks []history.Knock
	if flags.check == "" || flags.check == guard.Name {
		if knocks, err = reader.Knocks(ctx, q); err != nil {
			return history.Excerpt{}, err
		}
	}
	return history.NewExcerpt(transitions, knocks), nil
}
