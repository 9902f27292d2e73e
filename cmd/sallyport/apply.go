package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// applyTimeout bounds a whole apply, rehearsal and reading back included.
const applyTimeout = 2 * time.Minute

var errNoTrial = errors.New("a trial that undoes itself is not built in this version: give --now to put the ruleset in " +
	"force at once (from a console, or with a way back), or --dry-run to rehearse it")

type applyFlags struct {
	now, dryRun, force bool
}

func newApply(opts *options) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Put the compiled ruleset in force",
		Long: "Put the ruleset that the configuration compiles to in force, in one transaction, and read it back.\n" +
			"A running guard does it where there is one. A policy that shuts out the address that you are logged in\n" +
			"from, or a peer now connected to a management port, is refused without --force; it cuts them off.\n" +
			"The ruleset stays when Sallyport ends;\n" +
			"`nft delete table inet sallyport` removes it.",
		Example: "  sallyport apply --dry-run    # does this kernel take it? changes nothing\n" +
			"  sallyport apply --now",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !flags.now && !flags.dryRun {
				return errNoTrial
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), applyTimeout)
			defer cancel()
			err := apply(ctx, cmd.OutOrStdout(), opts, flags)
			if cause := context.Cause(cmd.Context()); err != nil && cause != nil {
				return fmt.Errorf("%w, before it was done: `sallyport plan` says which ruleset is in force", cause)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&flags.now, "now", false, "put it in force at once, without a trial")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "rehearse in a throw-away network namespace only")
	cmd.Flags().BoolVar(&flags.force, "force", false,
		"even if it shuts out where you are logged in from, or who is connected now")
	cmd.MarkFlagsMutuallyExclusive("now", "dry-run")
	return cmd
}

func apply(ctx context.Context, w io.Writer, opts *options, flags applyFlags) error {
	next, err := opts.candidate("")
	if err != nil {
		return err
	}
	if err := next.keepsOwnerIn(os.Getenv("SSH_CONNECTION"), flags.force); err != nil {
		return err
	}
	if flags.dryRun {
		if err := next.unless(ctx, flags.force); err != nil {
			return err
		}
		return rehearse(ctx, w, next.ruleset)
	}
	if !next.enforces() {
		return fmt.Errorf("%s: firewall.mode is %s: set it to enforce to put a ruleset in force",
			next.conf.File, next.conf.Firewall.Mode)
	}
	return putInForce(ctx, w, next, flags.force)
}

func rehearse(ctx context.Context, w io.Writer, ruleset firewall.Ruleset) error {
	golden, err := kernel.Golden(ctx, ruleset)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "rehearsed in a throw-away network namespace: the kernel takes it; nothing was changed\n"+
		"%s; dump %.12x\n", size(ruleset), golden.Hash())
	return err
}

// putInForce asks the running guard, and does it itself where none runs.
func putInForce(ctx context.Context, w io.Writer, next candidate, force bool) error {
	by := "sallyport apply"
	err := askGuard(ctx, next.conf, force)
	switch {
	case err == nil:
		by = "the running guard"
	case !errors.Is(err, control.ErrNoServer):
		return err
	default:
		if err := applyHere(ctx, next, force); err != nil {
			return err
		}
		if len(firewall.LearnedSets(next.policy)) > 0 {
			by += " (" + noteAlone + ")"
		}
	}
	_, err = fmt.Fprintf(w, "in force, read back and compared, by %s: %s\n", by, size(next.ruleset))
	return err
}

func askGuard(ctx context.Context, conf *config.Config, force bool) error {
	file, err := filepath.Abs(conf.File)
	if err != nil {
		return err
	}
	socket := filepath.Join(conf.Paths.Runtime, control.GuardSocket)
	request := control.Apply{File: file, Digest: conf.Digest, Force: force}
	var result check.Result
	return control.Call(ctx, socket, control.VerbApply, request, &result)
}

func applyHere(ctx context.Context, next candidate, force bool) error {
	if err := next.unless(ctx, force); err != nil {
		return err
	}
	live, err := kernel.Open()
	if err != nil {
		return err
	}
	defer func() { _ = live.Close() }()
	live.SetOwnership(next.ownership()) // until this process ends: an orphan is left, for a later guard to adopt
	_, err = live.ApplyRehearsed(ctx, next.taught(ctx))
	return err
}

// size is what a ruleset holds, for a person.
func size(r firewall.Ruleset) string {
	rules, elements := 0, 0
	for _, c := range r.Chains {
		rules += len(c.Rules)
	}
	for _, s := range r.Sets {
		elements += len(s.Elements)
	}
	return fmt.Sprintf("%d chains, %d rules, %d sets with %d elements", len(r.Chains), rules, len(r.Sets), elements)
}
