package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"sallyport/config"
)

func newRun(opts *options) *cobra.Command {
	var (
		only   string
		handed bool
	)
	cmd := &cobra.Command{
		Use:   "run",
		Short: "The daemon: puts the ruleset in force, guards it, checks, reports",
		Long: "Run the daemon: two processes of this binary, the guard (the ruleset, netlink) and the prober (the\n" +
			"checks, the reports), started and kept by a third that does nothing else. With --only one of them runs\n" +
			"by itself, for a service manager. SIGHUP loads the configuration again, whole or not at all. The ruleset\n" +
			"stays in force when the daemon ends.\n\n" +
			"Where the configuration is no good and a ruleset was in force before, the guard runs alone, and keeps that\n" +
			"one in force by its record in paths.state (--state, where the configuration is silent); SIGHUP looks again.\n" +
			"In another network namespace than PID 1's it says that the host is not guarded, and never that it is ready\n" +
			"(NOTIFY_SOCKET), unless --here says that this one is meant.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			begin, role := supervise, "run"
			if cmd.Flags().Changed("only") {
				var err error
				if begin, err = processOf(only); err != nil {
					return err
				}
				role = only
			}
			if handed {
				opts.handed = cmd.InOrStdin()
				name(role)
			}
			err := begin(cmd.Context(), opts, newLogger(cmd.ErrOrStderr(), role))
			if cmd.Context().Err() != nil {
				return nil // it was told to end: what that cut short is no failure
			}
			return err
		},
	}
	cmd.Flags().StringVar(&only, "only", "", "run one process alone: `ROLE` is guard or probe")
	cmd.Flags().BoolVar(&handed, flagHanded, false, "begin with the configuration on the standard input")
	cmd.Flags().BoolVar(&opts.here, flagHere, false, "guard this network namespace, whether it is PID 1's or not")
	_ = cmd.Flags().MarkHidden(flagHanded) // between the processes of run alone
	return cmd
}

// name gives this process a name of its own, which would be that of the link that it was started by: exe. Each thread has
// one: ps shows the first one's, and the kernel names the one that changes a ruleset. Those to come inherit it from the
// one that makes them, which may be before its turn here: hence again, until all have it.
func name(role string) {
	want := []byte("sallyport-" + role)
	for range 10 {
		all := true
		threads, _ := filepath.Glob("/proc/self/task/*/comm")
		for _, thread := range threads {
			if had, err := os.ReadFile(thread); err == nil && !bytes.Equal(bytes.TrimSpace(had), want) {
				all = false
				_ = os.WriteFile(thread, want, 0) // a name is no reason not to guard
			}
		}
		if all {
			return
		}
	}
}

// processOf is what the process of a role does until its context ends.
func processOf(role string) (func(context.Context, *options, *slog.Logger) error, error) {
	switch role {
	case roleGuard:
		return runGuard, nil
	case roleProbe:
		return runProbe, nil
	default:
		return nil, fmt.Errorf("--only takes %s or %s, not %q", roleGuard, roleProbe, role)
	}
}

// flagHanded has a process begin with the text that run holds, whatever the file has become meanwhile.
const flagHanded = "config-handed"

// flagHere says that the network namespace is meant.
const flagHere = "here"

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
