package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"sallyport/check"
)

// checkWorkers is how many checks run at a time in `sallyport check`.
const checkWorkers = 16

func newCheck(opts *options) *cobra.Command {
	var out reporting
	var retry bool
	cmd := &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Run every check once, or those named, and exit",
		Example: "  sallyport check\n" +
			"  sallyport check directory -o json\n" +
			"  sallyport check directory --retry-refused    # its account was mended: try the password once more\n" +
			"  sallyport check -o nagios",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return opts.checkNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, names []string) error {
			conf, err := opts.load()
			if err != nil {
				return err
			}
			follower, err := newFollower(conf)
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr(), "check")
			kept := keeping(conf, log)
			kept.blocked = oneByOne(askGuardOr(conf, traceHere))
			seen := observing(conf)
			checks, err := wireChecks(conf, kept, seen.reaching(follower.Reaching))
			if err != nil {
				return err
			}
			seen.beside(conf, checks)
			checks = append(checks, seen.check(conf, nil, nil)...)
			if checks, err = named(checks, names); err != nil {
				return err
			}
			if retry {
				if err := kept.release(cmd.Context(), conf.Checks, checkNames(checks)); err != nil {
					return err
				}
			}
			return out.reportJudged(cmd, seen.once(cmd.Context(), conf, checks, log))
		},
	}
	out.bind(cmd)
	cmd.Flags().BoolVar(&retry, "retry-refused", false,
		"try passwords that a directory or a proxy has refused once more: the account was mended, the password is the same")
	return cmd
}

// checkNames is every name for completion; none where the configuration cannot be read.
func (o *options) checkNames() []string {
	conf, err := o.load()
	if err != nil {
		return nil
	}
	checks, err := wireChecks(conf, forgetting(), nil)
	if err != nil {
		return nil
	}
	return checkNames(append(checks, observing(conf).check(conf, nil, nil)...))
}

func checkNames(checks []check.Check) []string {
	names := make([]string, 0, len(checks))
	for _, c := range checks {
		names = append(names, c.Name)
	}
	return names
}

// named is the checks of those names, in the configuration's order; all of them for no name.
func named(checks []check.Check, names []string) ([]check.Check, error) {
	if len(checks) == 0 {
		return nil, errors.New("the configuration has no checks: add some below `checks`")
	}
	if len(names) == 0 {
		return checks, nil
	}
	all := checkNames(checks)
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no check %q%s; the configuration has %v", name, didYouMean(name, all), all)
		}
	}
	return slices.DeleteFunc(checks, func(c check.Check) bool { return !slices.Contains(names, c.Name) }), nil
}
