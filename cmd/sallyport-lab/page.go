package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Text is wrapped at widest, which fits beside another window, and on paper. A terminal may have less, down to narrowest.
const (
	widest    = 100
	narrowest = 60
)

// indent is where the words of an expectation's further lines begin: under those of its first.
const indent = 22

// page is what the person sees: sections of short lines, each expectation with its mark.
type page struct {
	out       io.Writer
	good      string // the marks
	bad       string
	markWidth int
	width     int    // where text is wrapped
	bold      string // escape sequences; empty where there is no colour
	dim       string
	plain     string
	began     time.Time
	held      int // expectations
	broken    int
	skipped   int  // what could not be shown here
	complete  bool // the summary was printed
}

func newPage(out *os.File, noColor bool) *page {
	p := &page{out: out, good: "ok", bad: "NO", markWidth: 2, width: widest, began: time.Now()}
	terminal := term.IsTerminal(int(out.Fd()))
	if columns, _, err := term.GetSize(int(out.Fd())); err == nil && columns > 0 {
		p.width = min(max(columns, narrowest), widest)
	}
	if terminal && utf8Locale() {
		p.good, p.bad, p.markWidth = "✓", "✗", 1
	}
	if terminal && !noColor && os.Getenv("TERM") != "dumb" {
		p.bold, p.dim, p.plain = "\x1b[1m", "\x1b[2m", "\x1b[0m"
		p.good, p.bad = "\x1b[32m"+p.good+p.plain, "\x1b[1;31m"+p.bad+p.plain
	}
	return p
}

// utf8Locale says whether the terminal's locale is UTF-8; the first variable that is set decides (POSIX XBD 8.2).
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := strings.ToLower(os.Getenv(name)); value != "" {
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return false
}

// print writes to the terminal. When nobody reads any more the lab goes on: its exit code still tells.
func (p *page) print(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format, args...) }

func (p *page) section(title string) { p.print("\n%s%s%s\n", p.bold, title, p.plain) }

// command shows what was done, as one would type it.
func (p *page) command(line string) {
	prompt := "$ "
	for _, part := range wrap(line, p.width-4) {
		p.print("  %s%s%s%s\n", p.dim, prompt, part, p.plain)
		prompt = "  "
	}
}

// room is for how many characters there is beside the name of an expectation.
func (p *page) room() int { return p.width - indent }

func (p *page) line(format string, args ...any) { p.print("  "+format+"\n", args...) }

func (p *page) note(text string) { p.print("\n%s\n", text) }

// expect is a line that must hold.
func (p *page) expect(holds bool, subject, says string) {
	mark := p.good
	if holds {
		p.held++
	} else {
		p.broken++
		mark = p.bad
	}
	p.marked(mark, subject, says)
}

// skip is for an expectation that nobody can have here, and why.
func (p *page) skip(subject, why string) {
	p.skipped++
	p.marked(pad("-", p.markWidth), subject, why)
}

// marked wraps what is too long, and leaves alone what is not: it may be in columns.
func (p *page) marked(mark, subject, says string) {
	lines := []string{says}
	if utf8.RuneCountInString(says) > p.room() {
		lines = wrap(says, p.room())
	}
	p.print("  %s %s %s\n", mark, pad(subject, indent-4-p.markWidth), lines[0])
	for _, line := range lines[1:] {
		p.row("", line)
	}
}

// more is a further line of the one before, under a name of its own, wrapped.
func (p *page) more(name, text string) {
	for _, line := range wrap(text, p.room()) {
		p.row(name, line)
		name = ""
	}
}

// row is a further line as it is.
func (p *page) row(name, text string) {
	p.print("  %s%s%s%s\n", p.dim, pad(name, indent-2), p.plain, text)
}

func (p *page) summary() {
	p.complete = true
	said := fmt.Sprintf("All %d expectations held", p.held)
	if p.broken > 0 {
		said = fmt.Sprintf("%d of %d expectations did not hold", p.broken, p.held+p.broken)
	}
	if p.skipped > 0 {
		said += fmt.Sprintf(" (%d could not be shown here)", p.skipped)
	}
	p.print("\n%s%s, in %.1f s.%s\n", p.bold, said, time.Since(p.began).Seconds(), p.plain)
}

// pad fills with spaces up to a number of characters; fmt's own padding counts them too, but wants it in the format.
func pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s)))
}

// wrap breaks text at spaces into lines of at most n characters; a longer word has a line of its own.
func wrap(text string, n int) []string { return fold(strings.Fields(text), " ", n) }

// fold puts parts into lines of at most n characters; a longer part has a line of its own.
func fold(parts []string, between string, n int) []string {
	var lines []string
	var line string
	for _, part := range parts {
		joined := line + between + part
		switch {
		case line == "":
			line = part
		case utf8.RuneCountInString(joined) > n:
			lines = append(lines, line)
			line = part
		default:
			line = joined
		}
	}
	return append(lines, line)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
