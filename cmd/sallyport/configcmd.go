package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sallyport/config"
)

func newConfig(opts *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Validate the configuration, or print its JSON Schema",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigCheck(opts), newConfigSchema())
	return cmd
}

func newConfigCheck(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration; every error at once, each with its place and its mend",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conf, err := opts.load()
			if err != nil {
				return err
			}
			if expired := conf.ExpiredWaivers(time.Now()); len(expired) > 0 {
				return expired
			}
			if conf.Firewall.Mode != config.Off {
				if err := policyOf(conf.Firewall, opts.noManagement).Validate(); err != nil {
					return fmt.Errorf("%s: %w", conf.File, err)
				}
			}
			if _, err := wireChecks(conf, forgetting(), nil); err != nil {
				return fmt.Errorf("%s: %w", conf.File, err)
			}
			for _, notice := range conf.Notices() {
				if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "note:", notice); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok: firewall %s, %d dns, %d tls and %d ldaps checks\n",
				conf.File, conf.Firewall.Mode, len(conf.Checks.DNS), len(conf.Checks.TLS), len(conf.Checks.LDAPS))
			return err
		},
	}
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
}
