package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// planTimeout bounds the look at the live table.
const planTimeout = 30 * time.Second

func newPlan(opts *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Print the compiled ruleset as nft text, and its difference from the live one; writes nothing",
		Long: "Print the ruleset that the configuration compiles to, as text that `nft -f` takes, and its difference\n" +
			"from the live table. Nothing is written.\n\n" +
			"Exit codes: 0 the live ruleset is the compiled one, 2 it differs, 3 could not tell.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			next, err := opts.candidate("")
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), planTimeout)
			defer cancel()
			return writePlan(cmd.OutOrStdout(), output, next.ruleset, compare(ctx, next.ruleset))
		},
	}
	bindOutput(cmd, &output, "text", "json")
	return cmd
}

// comparison is how the live table stands to a ruleset.
type comparison struct {
	err     error
	missing bool
	drift   firewall.Drift
}

func (c comparison) differs() bool { return c.missing || !c.drift.Empty() }

func compare(ctx context.Context, want firewall.Ruleset) comparison {
	live, err := kernel.Open()
	if err != nil {
		return comparison{err: err}
	}
	defer func() { _ = live.Close() }()
	got, err := live.Read(ctx)
	if errors.Is(err, kernel.ErrNoTable) {
		return comparison{missing: true, drift: firewall.Diff(want, firewall.Ruleset{})}
	}
	if err != nil {
		return comparison{err: err}
	}
	return comparison{drift: firewall.Diff(want, got)}
}

type planJSON struct {
	Schema  int      `json:"schema"`
	Ruleset string   `json:"ruleset"`
	Live    string   `json:"live"` // same, differs, missing or unknown
	Drift   []string `json:"drift,omitempty"`
	Error   string   `json:"error,omitempty"`
}

func writePlan(w io.Writer, output string, ruleset firewall.Ruleset, c comparison) error {
	write := writePlanText
	if output == "json" {
		write = writePlanJSON
	}
	if err := write(w, ruleset, c); err != nil {
		return err
	}
	switch {
	case c.err != nil:
		return fmt.Errorf("the live ruleset could not be read: %w", c.err)
	case c.differs():
		return verdictError(codeFailing)
	default:
		return nil
	}
}

func writePlanJSON(w io.Writer, ruleset firewall.Ruleset, c comparison) error {
	plan := planJSON{Schema: 1, Ruleset: ruleset.String(), Live: "same", Drift: nonEmptyLines(c.drift.String())}
	switch {
	case c.err != nil:
		plan.Live, plan.Error = "unknown", c.err.Error()
	case c.missing:
		plan.Live = "missing"
	case c.differs():
		plan.Live = "differs"
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(plan)
}

// writePlanText writes nft text first and the difference after it as comments, so that the whole output is still what
// nft -f takes.
func writePlanText(w io.Writer, ruleset firewall.Ruleset, c comparison) error {
	if _, err := io.WriteString(w, ruleset.String()); err != nil {
		return err
	}
	headline := "the live ruleset is exactly this"
	switch {
	case c.err != nil:
		return nil // the error itself says it, on stderr
	case c.missing:
		headline = "there is no live table inet " + firewall.Table + ": all of this would be new"
	case c.differs():
		headline = "the live ruleset differs: + is missing there and would be added, - is there and would go"
	}
	if _, err := fmt.Fprintf(w, "\n# %s\n", headline); err != nil || c.missing {
		return err
	}
	for _, line := range nonEmptyLines(c.drift.String()) {
		if _, err := fmt.Fprintln(w, "#", line); err != nil {
			return err
		}
	}
	return nil
}
