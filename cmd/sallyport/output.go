package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sallyport/check"
	"sallyport/report/document"
	"sallyport/report/junit"
	"sallyport/report/metrics"
	"sallyport/report/nagios"
	"sallyport/report/sarif"
	termreport "sallyport/report/term"
)

// formats are how a command that reports can report.
func formats() []string {
	return []string{"text", "json", "jsonl", "junit", "sarif", "nagios", "prometheus"}
}

// reporting is how a command that reports was asked to.
type reporting struct {
	format  string
	verbose bool
}

func (r *reporting) bind(cmd *cobra.Command) {
	bindOutput(cmd, &r.format, formats()...)
	cmd.Flags().BoolVarP(&r.verbose, "verbose", "v", false, "in text: every address and phase, of what is well too")
}

// bindOutput gives a command -o, with the first format as its default, and refuses any other than those.
func bindOutput(cmd *cobra.Command, output *string, allowed ...string) {
	cmd.Flags().StringVarP(output, "output", "o", allowed[0], "`FORMAT`: "+strings.Join(allowed, "|"))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(allowed, *output) {
			return fmt.Errorf("-o takes %s, not %q", strings.Join(allowed, ", "), *output)
		}
		return nil
	}
}

// report writes the results of single runs, and ends the command with the exit code of the whole.
func (r *reporting) report(cmd *cobra.Command, results []check.Result) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	return r.reportDocument(cmd, document.New(version, host, time.Now(), results))
}

// reportJudged is report with the verdict on the results.
func (r *reporting) reportJudged(cmd *cobra.Command, results []check.Result) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	return r.reportDocument(cmd, document.New(version, host, time.Now(), results).Judged(networkFacts))
}

func (r *reporting) reportDocument(cmd *cobra.Command, doc document.Document) error {
	if err := r.write(cmd.OutOrStdout(), doc); err != nil {
		return err
	}
	return verdict(doc.Status)
}

func (r *reporting) write(w io.Writer, doc document.Document) error {
	switch r.format {
	case "json":
		return document.JSON(w, doc)
	case "jsonl":
		return document.JSONL(w, doc)
	case "junit":
		return junit.Write(w, doc)
	case "sarif":
		return sarif.Write(w, doc)
	case "nagios":
		return nagios.Write(w, doc)
	case "prometheus":
		return metrics.WriteJudged(w, version, results(doc), causeOf(doc.Verdict))
	default:
		opts := termOptions(w)
		opts.Verbose = r.verbose
		return termreport.Text(w, doc, opts)
	}
}

func results(doc document.Document) []check.Result {
	list := make([]check.Result, 0, len(doc.Results))
	for _, item := range doc.Results {
		list = append(list, item.Result)
	}
	return list
}

// termOptions are colour and width for a terminal, and neither for anything else (no-color.org).
func termOptions(w io.Writer) termreport.Options {
	if !isTerminal(w) {
		return termreport.Options{}
	}
	opts := termreport.Options{Color: os.Getenv("NO_COLOR") == ""}
	if width, _, err := term.GetSize(int(w.(*os.File).Fd())); err == nil {
		opts.Width = width
	}
	return opts
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
