package main

import (
	"context"
	"encoding/json"
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
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// applyTimeout bounds a whole apply, rehearsal and reading back included, but not the time of a trial.
const applyTimeout = 2 * time.Minute

// The bounds of a trial.
const (
	shortestTrial = time.Second
	longestTrial  = time.Hour
)

type applyFlags struct {
	now, dryRun, force, last bool
	within                   time.Duration // 0: as the configuration says
	output                   string
}

func newApply(opts *options) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Put the compiled ruleset on trial, or in force",
		Long: "Rehearse the ruleset that the configuration compiles to, and put it on trial: for a while it judges every\n" +
			"packet; then, if nobody has confirmed it, the kernel goes back to the ruleset from before, whatever has\n" +
			"become of Sallyport and of your connection. On a terminal it waits and asks; otherwise it ends at once, and\n" +
			"`sallyport confirm` keeps the ruleset, `sallyport rollback` takes it back. With --now there is no trial.\n\n" +
			"A running guard does it where there is one. A policy that shuts out the address that you are logged in\n" +
			"from, or a peer now connected to a management port, is refused without --force; it cuts them off.\n" +
			"The ruleset stays when Sallyport ends; `sallyport remove` takes it off.\n\n" +
			"Exit codes: 0 it is in force or on trial, 2 the trial came to nothing, 3 nothing was done.",
		Example: "  sallyport apply --dry-run    # does this kernel take it? changes nothing\n" +
			"  sallyport apply              # on trial, for firewall.confirm_within\n" +
			"  sallyport apply --last       # at boot: what was in force last, without looking at the configuration",
		Args: cobra.NoArgs,
	}
	bindOutput(cmd, &flags.output, "text", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), applyTimeout)
		defer cancel()
		err := apply(ctx, cmd, opts, flags)
		if cause := context.Cause(cmd.Context()); err != nil && cause != nil && !errors.As(err, new(verdictError)) {
			return fmt.Errorf("%w, before it was done: `sallyport plan` says which ruleset is in force", cause)
		}
		return err
	}
	cmd.Flags().DurationVar(&flags.within, "confirm-within", 0,
		"how long the trial waits for confirm, 1s to 1h (default firewall.confirm_within)")
	cmd.Flags().BoolVar(&flags.now, "now", false, "put it in force at once, without a trial")
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "rehearse in a throw-away network namespace only")
	cmd.Flags().BoolVar(&flags.last, "last", false, "put what was in force last in force again, at once, by its record")
	cmd.Flags().BoolVar(&flags.force, "force", false,
		"even if it shuts out where you are logged in from, or who is connected now")
	cmd.MarkFlagsMutuallyExclusive("now", "dry-run", "last", "confirm-within")
	return cmd
}

func apply(ctx context.Context, cmd *cobra.Command, opts *options, flags applyFlags) error {
	w := cmd.OutOrStdout()
	if flags.last {
		return applyLast(ctx, w, opts)
	}
	next, err := opts.candidate("")
	if err != nil {
		return err
	}
	if flags.within == 0 && !cmd.Flags().Changed("confirm-within") {
		flags.within = next.conf.Firewall.ConfirmWithin
	}
	if flags.within < shortestTrial || flags.within > longestTrial {
		return fmt.Errorf("--confirm-within takes %s to %s, not %s", shortestTrial, longestTrial, flags.within)
	}
	if err := next.keepsOwnerIn(os.Getenv("SSH_CONNECTION"), flags.force); err != nil {
		return err
	}
	if flags.dryRun {
		return dryRun(ctx, w, next, flags)
	}
	if !next.enforces() {
		return fmt.Errorf("%s: firewall.mode is %s: set it to enforce to put a ruleset in force",
			next.conf.File, next.conf.Firewall.Mode)
	}
	if flags.now {
		return putInForce(ctx, cmd, next, flags)
	}
	return try(ctx, cmd, next, flags)
}

func dryRun(ctx context.Context, w io.Writer, next candidate, flags applyFlags) error {
	if err := next.unless(ctx, flags.force); err != nil {
		return err
	}
	golden, err := kernel.Golden(ctx, next.ruleset)
	if err != nil {
		return err
	}
	told, err := next.rehearse(ctx)
	if err != nil {
		return err
	}
	done := outcome{Action: "rehearsed", Packets: told, Dump: fmt.Sprintf("%.12x", golden.Hash()), size: size(next.ruleset)}
	return done.write(w, flags.output, fmt.Sprintf(
		"rehearsed in a throw-away network namespace: the kernel takes it; nothing was changed\n%s; dump %s\n%s",
		done.size, done.Dump, told))
}

// putInForce asks the running guard, and does it itself where none runs.
func putInForce(ctx context.Context, cmd *cobra.Command, next candidate, flags applyFlags) error {
	warn := func(err error) {
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "sallyport: a later start will not know of it: %s\n", message(err))
	}
	request, err := requestOf(next, flags)
	if err != nil {
		return err
	}
	_ = newLedger(next.places().state).store.Make() // writing the record tells
	done := outcome{Action: "applied", By: "the running guard", size: size(next.ruleset)}
	err = asking(ctx, next.places(), func(socket string) error {
		var result check.Result
		return control.Call(ctx, socket, control.VerbApply, request, &result)
	}, func(h *hand) error {
		done.By = next.byHand()
		return h.put(ctx, next, flags.force, warn)
	})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("in force, read back and compared, by %s: %s", done.By, done.size)
	return done.write(cmd.OutOrStdout(), flags.output, text)
}

func requestOf(next candidate, flags applyFlags) (control.Apply, error) {
	file, err := filepath.Abs(next.conf.File)
	return control.Apply{File: file, Digest: next.conf.Digest, Force: flags.force}, err
}

// byHand says who does it where no guard runs.
func (c candidate) byHand() string {
	if len(firewall.LearnedSets(c.policy)) > 0 {
		return "sallyport apply (" + noteAlone + ")"
	}
	return "sallyport apply"
}

// try puts the candidate on trial, and asks on a terminal whether to keep it.
func try(ctx context.Context, cmd *cobra.Command, next candidate, flags applyFlags) error {
	request, err := requestOf(next, flags)
	if err != nil {
		return err
	}
	if err := newLedger(next.places().state).store.Make(); err != nil {
		return err
	}
	done := outcome{Action: "trial", By: "the running guard", size: size(next.ruleset)}
	var left time.Duration
	err = asking(ctx, next.places(), func(socket string) error {
		var trial control.Trial
		err := control.Call(ctx, socket, control.VerbTry, control.Try{Apply: request, Within: flags.within}, &trial)
		left = trial.Left
		return err
	}, func(h *hand) error {
		done.By = next.byHand()
		var trial guard.Trial
		trial, err := h.try(ctx, next, flags.within, flags.force)
		left = trial.Left
		return err
	})
	if err != nil {
		return err
	}
	deadline := time.Now().Add(left)
	done.SecondsLeft, done.Deadline = new(left.Round(time.Millisecond).Seconds()), new(deadline.UTC().Round(time.Second))
	text := fmt.Sprintf("on trial, read back and compared, by %s: %s", done.By, done.size)
	in, terminal := cmd.InOrStdin().(*os.File)
	if flags.output != "text" || !terminal || !isTerminal(in) || !isTerminal(cmd.OutOrStdout()) {
		return done.write(cmd.OutOrStdout(), flags.output, fmt.Sprintf(
			"%s\n`sallyport confirm` within %.0f s keeps it; else the ruleset from before judges again",
			text, left.Seconds()))
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), text); err != nil {
		return err
	}
	return askAndEnd(cmd, next.places(), in, deadline)
}

// askAndEnd ends the trial as the person at the terminal says. Where nobody says anything, the kernel ends it.
func askAndEnd(cmd *cobra.Command, at places, in *os.File, deadline time.Time) error {
	said, err := ask(cmd.Context(), in, cmd.OutOrStdout(), deadline)
	if err != nil {
		return err
	}
	verb := control.VerbRollback
	if said == keepIt {
		verb = control.VerbConfirm
	}
	// An interrupt has ended the command's context, and is an answer: what follows has its own time.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), applyTimeout)
	defer cancel()
	if said == noAnswer {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "no answer: the ruleset from before the trial judges again")
		return errors.Join(err, verdictError(codeFailing))
	}
	text, err := endTrial(ctx, at, verb)
	if text != "" {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), text) // the terminal may be gone; what was asked for is done
	}
	if err == nil && said == takeBack {
		return verdictError(codeFailing)
	}
	return err
}

// outcome is what an apply did, for a machine.
type outcome struct {
	Schema      int        `json:"schema"`
	Action      string     `json:"action"`       // rehearsed, applied or trial
	By          string     `json:"by,omitempty"` // who did it
	Dump        string     `json:"dump,omitempty"`
	Packets     string     `json:"packets,omitempty"` // what was tried with packets
	SecondsLeft *float64   `json:"seconds_left,omitempty"`
	Deadline    *time.Time `json:"deadline,omitempty"`

	size string
}

// write says it, as text or as JSON.
func (o outcome) write(w io.Writer, format, text string) error {
	if format == "json" {
		o.Schema = 1
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(o)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// places are the folders of the candidate's configuration.
func (c candidate) places() places { return placesIn(c.conf) }

func placesIn(conf *config.Config) places {
	return places{state: conf.Paths.State, runtime: conf.Paths.Runtime}
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
