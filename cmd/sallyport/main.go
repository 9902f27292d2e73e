package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"sallyport/firewall/kernel"
	"sallyport/firewall/proof"
)

// version is what `sallyport version` and every report say.
const version = "0.1.0"

func main() {
	kernel.RehearseMain(proof.RehearsalErrand())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs one command line and returns its exit code: 0 ok, 1 warning, 2 failing, 3 could not tell.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var verdict verdictError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &verdict):
		return int(verdict)
	case errors.Is(err, syscall.EPIPE):
		return codeUnknown // whoever read the output has gone; there is nobody to tell
	default:
		if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w, before it was done", cause) // what that broke on its way is of no interest
		}
		_, _ = fmt.Fprintf(stderr, "sallyport: %s\n", message(err))
		return codeUnknown
	}
}

func newRoot() *cobra.Command {
	opts := &options{}
	root := &cobra.Command{
		Use:   "sallyport",
		Short: "Keep a host shut to everything but management, and prove that its ways out work",
		Long: "Sallyport keeps a Linux host shut to everything but management, keeps proving that it is shut, and\n" +
			"keeps proving that the host's own ways out (DNS, TLS, LDAPS) work, naming what broke, at which layer,\n" +
			"and what to do.\n\n" +
			"Exit codes: 0 ok, 1 warning, 2 failing, 3 could not tell (bad usage, bad configuration, not permitted,\n" +
			"no daemon).",
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		Args:              cobra.NoArgs,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	opts.bind(root)
	root.AddCommand(
		newRun(opts), newCheck(opts), newPlan(opts), newApply(opts), newConfirm(opts), newRollback(opts),
		newRemove(opts), newVerify(opts), newStatus(opts), newHistory(opts),
		newConfig(opts), newExplain(), newInit(opts), newVersion(),
	)
	strict(root)
	return root
}

// strict has the commands that cobra adds by itself refuse what does not exist, as every other command does. They would
// print their help and say that all is well, and a script would take the help for what it asked for.
func strict(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "completion":
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		case "help":
			cmd.RunE = func(_ *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err == nil && len(rest) > 0 {
					err = fmt.Errorf("unknown command %q for %q", rest[0], about.CommandPath())
				}
				if err != nil {
					return err
				}
				return about.Help()
			}
		}
	}
}
