package nagios

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/report"
	"sallyport/report/document"
	"sallyport/report/verdict"
)

// Bounds in bytes. Nagios reads 8 KiB of a plugin's output, older agents (NRPE before version 3) 1 KiB: the text stays
// far below, and performance data comes after it, so that it is what is cut off.
const (
	maxText     = 600
	maxSentence = 350
	maxDetail   = 200
	maxLabel    = 60
)

// Write writes the line: service, status, the verdict where there is one, what is not well, and after the bar the count of
// each status and how long each check took, in milliseconds.
func Write(w io.Writer, d document.Document) error {
	_, err := fmt.Fprintf(w, "SALLYPORT %s - %s | %s\n", word(d.Status), text(d), perfdata(d))
	return err
}

// word is the status as Nagios names its exit code ("Plugin Return Codes").
func word(s check.Status) string {
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[s.ExitCode()]
}

func text(d document.Document) string {
	var findings []string
	for _, s := range []check.Status{check.Fail, check.Unknown, check.Warn} { // the worst first: the end may be cut
		for _, item := range d.Results {
			if item.Status == s {
				findings = append(findings, finding(item, d.Verdict != nil))
			}
		}
	}
	if len(findings) == 0 {
		return fmt.Sprintf("%d of %d checks ok", d.Counts.OK, len(d.Results))
	}
	lead := fmt.Sprintf("%d of %d checks not ok: ", len(findings), len(d.Results))
	return clean(led(d.Verdict, lead, findings), maxText)
}

// led is the text with the verdict before it, where there is one. What was seen stands in the verdict then.
func led(v *verdict.Verdict, lead string, findings []string) string {
	if v == nil || v.Status == check.OK {
		return lead + strings.Join(findings, "; ")
	}
	return report.Printable(v.Sentence, maxSentence) + " - " + lead + strings.Join(findings, "; ")
}

func finding(item document.Item, told bool) string {
	words := []string{item.Check, item.Status.String()}
	if cause := item.Cause; cause != "" {
		words = append(words, string(cause))
	}
	if item.Detail != "" && !told {
		words = append(words, "("+report.Printable(item.Detail, maxDetail)+")")
	}
	return strings.Join(words, " ")
}

// clean is text on one line that cannot be taken for the begin of the performance data.
func clean(s string, most int) string {
	return report.Printable(strings.ReplaceAll(s, "|", "/"), most)
}

// perfdata is 'label'=value[UOM];[warn];[crit];[min];[max], separated by spaces ("Performance data").
func perfdata(d document.Document) string {
	var data []string
	for _, s := range check.Statuses() {
		data = append(data, fmt.Sprintf("%s=%d;;;0;%d", s, d.Counts.Of(s), len(d.Results)))
	}
	for _, item := range d.Results {
		if item.Status != check.Skipped {
			data = append(data, label(item.Check)+"="+milliseconds(item.Duration)+"ms;;;0;")
		}
	}
	return strings.Join(data, " ")
}

// milliseconds never has an exponent: not every reader of performance data takes one.
func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}

// label quotes a check's name. A label must hold neither a quote nor an equals sign; a name that is that of a count is
// told apart.
func label(name string) string {
	name = strings.NewReplacer("'", "_", "=", "_", "|", "_").Replace(report.Printable(name, maxLabel))
	if slices.ContainsFunc(check.Statuses(), func(s check.Status) bool { return s.String() == name }) {
		name += "_time"
	}
	return "'" + name + "'"
}
