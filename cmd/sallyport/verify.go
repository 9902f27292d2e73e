package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

func newVerify(opts *options) *cobra.Command {
	var out reporting
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Say whether the host is really shut: the live ruleset against the compiled one",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			next, err := opts.candidate("")
			if err != nil {
				return err
			}
			began := time.Now()
			result := verifyLive(cmd.Context(), next.ruleset)
			result = guard.Check().Complete(result, began, time.Since(began))
			return out.report(cmd, []check.Result{waive(next.conf.Waivers, result, time.Now())})
		},
	}
	out.bind(cmd)
	return cmd
}

// verifyLive looks at the live table.
func verifyLive(ctx context.Context, ruleset firewall.Ruleset) check.Result {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	live, err := kernel.Open()
	if err != nil {
		return guard.Failure(err)
	}
	defer func() { _ = live.Close() }()
	golden, err := kernel.Golden(ctx, ruleset)
	if err != nil {
		return guard.Failure(err)
	}
	return guard.Verify(ctx, live, ruleset, golden)
}
