package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"sallyport/control"
	"sallyport/firewall/guard"
)

func newConfirm(opts *options) *cobra.Command {
	return newEnding(opts, control.VerbConfirm, &cobra.Command{
		Use:   "confirm",
		Short: "Keep the ruleset that is on trial",
		Long: "Make the ruleset that `sallyport apply` put on trial the one in force. A running guard does it, where\n" +
			"there is one.\n\n" +
			"Exit codes: 0 it is in force, 2 the trial came to nothing before, 3 none was running, or could not tell.",
	})
}

func newRollback(opts *options) *cobra.Command {
	return newEnding(opts, control.VerbRollback, &cobra.Command{
		Use:   "rollback",
		Short: "End the trial that is running, and go back to the ruleset from before it",
		Long: "End the trial that `sallyport apply` began, and put the ruleset from before it in force. A running guard\n" +
			"does it, where there is one.\n\n" +
			"Exit codes: 0 it is done, 2 the trial had come to nothing before, 3 none was running, or could not tell.",
	})
}

func newEnding(opts *options, verb control.Verb, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), applyTimeout)
		defer cancel()
		text, err := endTrial(ctx, opts.places(), verb)
		if text != "" {
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), text); err != nil {
				return err
			}
		}
		return err
	}
	return cmd
}

// endTrial ends the trial that runs, and says how it ended. That it was over before is the exit code 2.
func endTrial(ctx context.Context, at places, verb control.Verb) (text string, err error) {
	err = asking(ctx, at, func(socket string) error {
		var ending control.Ending
		if err := control.Call(ctx, socket, verb, nil, &ending); err != nil {
			return err
		}
		switch {
		case ending.Over != "":
			text = ending.Over
			return guard.ErrNoTrial
		case ending.None:
			return guard.ErrNoTrial
		}
		return nil
	}, func(h *hand) error { return h.end(ctx, verb) })
	var over *guard.RolledBackError
	switch {
	case errors.As(err, &over):
		return over.Error(), verdictError(codeFailing)
	case text != "":
		return text, verdictError(codeFailing)
	case err != nil:
		return "", err
	case verb == control.VerbConfirm:
		return "confirmed: what was on trial is in force", nil
	default:
		return "rolled back: the ruleset from before the trial is in force", nil
	}
}
