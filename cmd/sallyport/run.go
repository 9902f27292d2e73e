package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"sallyport/config"
)

func newRun(opts *options) *cobra.Command {
	var only string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "The daemon: puts the ruleset in force, guards it, checks, reports",
		Long: "Run the daemon: two processes of this binary, the guard (the ruleset, netlink) and the prober (the\n" +
			"checks, the reports), started and kept by a third that does nothing else. With --only one of them runs by itself,\n" +
			"for a service manager. SIGHUP loads the configuration again, whole or not at all. The ruleset stays in\n" +
			"force when the daemon ends.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stderr := cmd.ErrOrStderr()
			switch only {
			case "":
				return supervise(cmd.Context(), opts, newLogger(stderr, "run"))
			case roleGuard:
				return runGuard(cmd.Context(), opts, newLogger(stderr, roleGuard))
			case roleProbe:
				return runProbe(cmd.Context(), opts, newLogger(stderr, roleProbe))
			default:
				return fmt.Errorf("--only takes %s or %s, not %q", roleGuard, roleProbe, only)
			}
		},
	}
	cmd.Flags().StringVar(&only, "only", "", "run one process alone: `ROLE` is guard or probe")
	return cmd
}

// The roles of the processes of `run`.
const (
	roleGuard = "guard"
	roleProbe = "probe"
)

// roles says which processes a configuration needs.
func roles(conf *config.Config) ([]string, error) {
	var list []string
	if conf.Firewall.Mode != config.Off {
		list = append(list, roleGuard)
	}
	list = append(list, roleProbe)
	checks := len(conf.Checks.DNS) + len(conf.Checks.TLS) + len(conf.Checks.LDAPS)
	if len(list) == 1 && checks == 0 {
		return nil, errors.New("nothing to do: the configuration has neither a firewall section nor checks")
	}
	return list, nil
}

func sayNotices(conf *config.Config, log *slog.Logger) {
	for _, notice := range conf.Notices() {
		log.Warn("not acted on by this version", "what", notice)
	}
}
