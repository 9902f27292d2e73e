package term

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"sallyport/check"
	"sallyport/report"
	"sallyport/report/document"
)

// Options are how a document is laid out.
type Options struct {
	Color   bool // ANSI colours
	Width   int  // columns to wrap detail and remedy at; 0: never
	Verbose bool // detail and endpoints of those that are well, too
}

// maxText bounds one piece of text, in bytes.
const maxText = 2000

// indent is what stands before everything that belongs to the check above.
const indent = "         "

// Text writes the document for a person to read.
func Text(w io.Writer, d document.Document, o Options) error {
	p := &page{out: bufio.NewWriter(w), options: o, now: d.Time}
	p.measure(d.Results)
	p.verdict(d.Verdict)
	for _, item := range d.Results {
		p.item(item)
	}
	if len(d.Results) > 0 {
		p.line("")
	}
	p.traffic(d)
	p.byHand(d.Results)
	p.summary(d)
	return p.out.Flush()
}

// page is one document on its way out. Errors of writing stay in out until Flush.
type page struct {
	out     *bufio.Writer
	options Options
	now     time.Time // of the document

	name, kind, target, cause int // widths of the columns
}

func (p *page) measure(items []document.Item) {
	for _, item := range items {
		p.name = max(p.name, width(printable(item.Check)))
		p.kind = max(p.kind, width(printable(item.Kind)))
		p.target = max(p.target, width(printable(item.Target)))
		p.cause = max(p.cause, width(printable(string(item.Cause))))
	}
}

func (p *page) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	_, _ = p.out.WriteString(strings.TrimRight(text, " ") + "\n") // bufio keeps the error for Flush
}

func (p *page) item(item document.Item) {
	status := item.Status
	p.line("%s  %s  %s  %s  %s  %7s%s", p.word(status, 7),
		pad(printable(item.Check), p.name), pad(printable(item.Kind), p.kind), pad(printable(item.Target), p.target),
		pad(printable(string(item.Cause)), p.cause), took(item.Duration), p.age(item))
	well := status == check.OK
	if well && !p.options.Verbose && !pending(item) {
		return
	}
	p.latest(item)
	p.wrapped("", item.Detail)
	if item.Status != check.OK || p.options.Verbose {
		p.endpoints(item)
	}
	if !well {
		p.wrapped("→ ", item.Remedy)
	}
}

// age is for how long the status has been believed; empty outside of status, and for a skipped check, whose state is
// older than that.
func (p *page) age(item document.Item) string {
	if item.State == nil || item.State.Since.IsZero() || item.Status == check.Skipped {
		return ""
	}
	return "  for " + rough(p.now.Sub(item.State.Since))
}

// pending says whether the latest result is not what is believed: thresholds are not met yet.
func pending(item document.Item) bool { return item.State != nil && item.State.Latest != nil }

// latest is the latest result where it is not believed yet.
func (p *page) latest(item document.Item) {
	if !pending(item) {
		return
	}
	l := item.State.Latest
	says := strings.TrimSpace(p.word(l.Status, 0) + " " + printable(string(l.Cause)))
	p.line("%slatest result: %s, %d in a row", indent, says, item.State.Consecutive)
	p.wrapped("  ", l.Detail)
}

// endpoints is a line for each address; its detail under it, unless the result's own says it already.
func (p *page) endpoints(item document.Item) {
	address, cause := 0, 0
	for _, e := range item.Endpoints {
		address = max(address, width(printable(e.Address)))
		cause = max(cause, width(printable(string(e.Cause))))
	}
	for _, e := range item.Endpoints {
		p.line("%s%s  %s  %s  %s", indent, pad(printable(e.Address), address), p.word(e.Status, 7),
			pad(printable(string(e.Cause)), cause), phases(e.Phases))
		if !strings.Contains(item.Detail, e.Detail) {
			p.wrapped("  ", e.Detail)
		}
	}
}

// phases is where the time of an attempt went: dns 1.2ms  connect 8.0ms  tls 21.5ms.
func phases(all []check.Phase) string {
	words := make([]string, len(all))
	for i, phase := range all {
		words[i] = printable(phase.Name) + " " + cmp.Or(took(phase.Duration), "0.0ms") // too short to be counted
	}
	return strings.Join(words, "  ")
}

// byHand says where to read on about the first of the worst.
func (p *page) byHand(items []document.Item) {
	for _, s := range []check.Status{check.Fail, check.Unknown, check.Warn} {
		for _, item := range items {
			if layer := item.Cause.Layer(); item.Status == s && item.Cause != "" && layer != check.LayerPosture {
				p.line("how to see it by hand, and what mends it: sallyport explain %s", printable(string(item.Cause)))
				return
			}
		}
	}
}

// summary is the last line, the one beside the prompt: how many of each, where and when.
func (p *page) summary(d document.Document) {
	var counts []string
	for _, s := range []check.Status{check.Fail, check.Unknown, check.Warn, check.OK, check.Skipped, check.Waived} {
		if n := d.Counts.Of(s); n > 0 {
			counts = append(counts, p.paint(s, fmt.Sprintf("%d %s", n, s)))
		}
	}
	if len(counts) == 0 {
		counts = []string{"no checks"}
	}
	p.line("%s · %s · %s", strings.Join(counts, ", "), printable(d.Host), d.Time.UTC().Format(time.RFC3339))
}

// wrapped writes text in lines of the given width, the first with a mark before it.
func (p *page) wrapped(mark, text string) {
	room := p.options.Width - width(indent+mark)
	lead := indent + mark
	for _, line := range wrap(printable(text), room) {
		p.line("%s%s", lead, line)
		lead = indent + strings.Repeat(" ", width(mark))
	}
}

// wrap breaks text at spaces; a word that is longer than a line stays whole. Without room there is one line.
func wrap(text string, room int) []string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil
	}
	if room < 20 {
		return []string{strings.Join(words, " ")}
	}
	lines := []string{words[0]}
	for _, word := range words[1:] {
		last := len(lines) - 1
		if width(lines[last])+1+width(word) <= room {
			lines[last] += " " + word
		} else {
			lines = append(lines, word)
		}
	}
	return lines
}

func printable(text string) string { return report.Printable(text, maxText) }

func width(text string) int { return utf8.RuneCountInString(text) }

func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(0, columns-width(text)))
}
