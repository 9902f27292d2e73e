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
	"sallyport/firewall/proof"
)

// planTimeout bounds the look at the live table.
const planTimeout = 30 * time.Second

func newPlan(opts *options) *cobra.Command {
	var output string
	var withPackets bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Print the compiled ruleset as nft text, and its difference from the live one; writes nothing",
		Long: "Print the ruleset that the configuration compiles to, as text that `nft -f` takes, and its difference\n" +
			"from the live table. Nothing is written.\n\n" +
			"With --rehearse, packets are sent through the ruleset in a throw-away network namespace: at the edges of\n" +
			"every exception, and from strangers. What must get in is told by the configuration.\n\n" +
			"Exit codes: 0 the live ruleset is the compiled one, 2 it differs or the rehearsal refuses it,\n" +
			"3 could not tell.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			next, err := opts.candidate("")
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), planTimeout)
			defer cancel()
			p := plan{ruleset: next.ruleset}
			if withPackets {
				p.rehearsal = &rehearsal{}
				p.rehearsal.done, p.rehearsal.err = proof.Rehearse(ctx, next.policy, next.ruleset)
			}
			p.comparison = compare(ctx, next.ruleset)
			return p.write(cmd.OutOrStdout(), output)
		},
	}
	cmd.Flags().BoolVar(&withPackets, "rehearse", false, "send packets through it in a throw-away network namespace")
	bindOutput(cmd, &output, "text", "json")
	return cmd
}

// plan is what is said about a ruleset.
type plan struct {
	ruleset    firewall.Ruleset
	comparison comparison
	rehearsal  *rehearsal // nil: not asked for
}

// comparison is how the live table stands to a ruleset.
type comparison struct {
	err     error
	missing bool
	trial   bool // a candidate stands beside what is in force, on trial or left over from one
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
	return comparison{drift: firewall.Diff(want, got), trial: got.TrialHash() != ""}
}

type planJSON struct {
	Schema    int            `json:"schema"`
	Ruleset   string         `json:"ruleset"`
	Live      string         `json:"live"` // same, differs, missing or unknown
	Drift     []string       `json:"drift,omitempty"`
	Error     string         `json:"error,omitempty"`
	Rehearsal *rehearsalJSON `json:"rehearsal,omitempty"`
}

func (p plan) write(w io.Writer, output string) error {
	write := p.writeText
	if output == "json" {
		write = p.writeJSON
	}
	if err := write(w); err != nil {
		return err
	}
	refused := p.rehearsal != nil && p.rehearsal.refused() != nil
	switch {
	case refused:
		return verdictError(codeFailing)
	case p.comparison.err != nil:
		return fmt.Errorf("the live ruleset could not be read: %w", p.comparison.err)
	case p.comparison.differs():
		return verdictError(codeFailing)
	default:
		return nil
	}
}

func (p plan) writeJSON(w io.Writer) error {
	c := p.comparison
	out := planJSON{Schema: 1, Ruleset: p.ruleset.String(), Live: "same", Drift: nonEmptyLines(c.drift.String())}
	switch {
	case c.err != nil:
		out.Live, out.Error = "unknown", c.err.Error()
	case c.missing:
		out.Live = "missing"
	case c.differs():
		out.Live = "differs"
	}
	if p.rehearsal != nil {
		out.Rehearsal = p.rehearsal.json()
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(out)
}

// writeText writes nft text first and what there is to say about it after it as comments, so that the whole output is
// still what nft -f takes.
func (p plan) writeText(w io.Writer) error {
	if _, err := io.WriteString(w, p.ruleset.String()); err != nil {
		return err
	}
	if p.rehearsal != nil {
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
		if err := writeComments(w, p.rehearsal.text()); err != nil {
			return err
		}
	}
	return p.comparison.writeText(w)
}

func (c comparison) writeText(w io.Writer) error {
	headline := "the live ruleset is exactly this"
	switch {
	case c.err != nil:
		return nil // the error itself says it, on stderr
	case c.trial:
		headline = "a trial stands in the live ruleset (`sallyport verify` says how it is with it; " +
			"`sallyport confirm` and `sallyport rollback` end it)"
	case c.missing:
		headline = "there is no live table inet " + firewall.Table + ": all of this would be new"
	case c.differs():
		headline = "the live ruleset differs: + is missing there and would be added, - is there and would go"
	}
	if _, err := fmt.Fprintf(w, "\n# %s\n", headline); err != nil || c.missing {
		return err
	}
	return writeComments(w, nonEmptyLines(c.drift.String()))
}

func writeComments(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, "#", line); err != nil {
			return err
		}
	}
	return nil
}
