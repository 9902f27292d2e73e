package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"sallyport/check"
	"sallyport/config"
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
			conf, err := opts.loadPolicy()
			if err != nil {
				return err
			}
			began := time.Now()
			result, err := verifyLive(cmd.Context(), conf, opts.noManagement)
			if err != nil {
				return err
			}
			result = guard.Check().Complete(result, began, time.Since(began))
			return out.report(cmd, []check.Result{waive(conf.Waivers, result, time.Now())})
		},
	}
	out.bind(cmd)
	return cmd
}

// verifyLive looks at the live table. The error is for what ends the command before a look: no ruleset to compare with.
func verifyLive(ctx context.Context, conf *config.Config, noManagement bool) (check.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	ruleset, err := compile(conf, noManagement)
	if err != nil {
		return check.Result{}, err
	}
	live, err := kernel.Open()
	if err != nil {
		return guard.Failure(err), nil
	}
	defer func() { _ = live.Close() }()
	golden, err := kernel.Golden(ctx, ruleset)
	if err != nil {
		return guard.Failure(err), nil
	}
	return guard.Verify(ctx, live, ruleset, golden), nil
}
