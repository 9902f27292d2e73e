package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxSize bounds a file: 1 MiB is some 50,000 networks.
	maxSize = 1 << 20
	// maxMarks bounds what the YAML reader could take for the end of a value. It spends some 500 bytes on each.
	maxMarks = 250_000
	// maxExcerpt bounds the source line of an error, in characters.
	maxExcerpt = 110
)

// source is the text of a configuration, fit to be parsed: UTF-8, printable, lines that end in a line feed.
type source struct {
	name  string
	text  string
	lines []string // with what looks like a secret masked
}

// newSource makes the text fit, or says why it cannot be.
func newSource(name string, data []byte) (*source, *Error) {
	whole := func(message, mend string) (*source, *Error) {
		return nil, &Error{Place: Place{File: name}, Message: message, Mend: mend}
	}
	switch {
	case len(data) > maxSize:
		return whole(fmt.Sprintf("the file is larger than %d bytes", maxSize),
			"name the right file: a configuration is a few kilobytes; long lists of addresses can be merged into networks")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return whole("the file is UTF-16, not UTF-8", "save it as UTF-8: iconv -f UTF-16 -t UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return whole("the file holds NUL bytes: it is not a text", "name the right file, or restore it from a backup")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	// The YAML reader counts the lines of a file with CR LF wrongly, so it never sees one.
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	s := &source{name: name, text: text, lines: mask(strings.Split(text, "\n"))}
	if err := s.unfit(); err != nil {
		return nil, err
	}
	return s, nil
}

// unfit is the first thing in the text that no YAML reader should be given; nil when there is none.
func (s *source) unfit() *Error {
	if strings.TrimSpace(s.text) == "" {
		return &Error{Place: Place{File: s.name}, Message: "the file is empty",
			Mend: "write one with: sallyport init > " + s.name}
	}
	marks := 0
	for i, line := range strings.Split(s.text, "\n") {
		if err := s.unfitLine(i+1, line); err != nil {
			return err
		}
		marks += 1 + strings.Count(line, ",") + strings.Count(line, ":") + strings.Count(line, "-") +
			strings.Count(line, "[") + strings.Count(line, "{")
	}
	if marks > maxMarks {
		return &Error{Place: Place{File: s.name}, Message: fmt.Sprintf("the file holds more than %d values", maxMarks),
			Mend: "merge addresses into networks"}
	}
	return nil
}

func (s *source) unfitLine(number int, line string) *Error {
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	if tab := strings.IndexByte(indent, '\t'); tab >= 0 && len(indent) < len(line) {
		return &Error{Place: s.place(number, tab+1), Message: "the line is indented with a tab",
			Mend: "indent with spaces: YAML has no tabs there"}
	}
	col := 0
	for i, r := range line {
		col++
		if r == utf8.RuneError && !strings.HasPrefix(line[i:], "\uFFFD") {
			return &Error{Place: s.place(number, col), Message: "the byte here is not UTF-8",
				Mend: "save the file as UTF-8: iconv -f ISO-8859-1 -t UTF-8"}
		}
		// Invisible and text-reordering characters make a file mean other than what it shows.
		if r != '\t' && !unicode.IsPrint(r) {
			return &Error{Place: s.place(number, col), Message: fmt.Sprintf("the character %U here cannot be seen", r),
				Mend: "delete it, or write a plain space; it often comes from copying a web page"}
		}
	}
	return nil
}

// place is a place of the text with its line, cut around the column where it is long.
func (s *source) place(line, col int) Place {
	p := Place{File: s.name, Line: max(line, 1), Col: max(col, 1)}
	if p.Line > len(s.lines) {
		return p
	}
	runes := []rune(s.lines[p.Line-1])
	from := 0
	if len(runes) > maxExcerpt && p.Col > maxExcerpt/2 {
		from = min(p.Col-maxExcerpt/2, len(runes)-maxExcerpt/2)
	}
	to := min(from+maxExcerpt, len(runes))
	p.caret = p.Col - from
	p.Source = strings.Map(visible, string(runes[from:to]))
	if from > 0 {
		p.Source, p.caret = "…"+p.Source, p.caret+1
	}
	if to < len(runes) {
		p.Source += "…"
	}
	return p
}

// visible keeps the excerpt one line, one cell for each character, and harmless to a terminal.
func visible(r rune) rune {
	if r == '\t' {
		return ' '
	}
	if !unicode.IsPrint(r) {
		return '\uFFFD'
	}
	return r
}

// secretKey matches the names under which people write a secret.
const secretKey = `(?:[a-z_-]*(?:pass(?:word|wd|phrase)?|secret|token)|bind_?pw|api_?key|private_?key)`

var (
	isSecretKey = regexp.MustCompile(`(?i)^` + secretKey + `$`)
	// secretFile also catches a secret that was written where its file is named.
	secretValue = regexp.MustCompile(`(?i)(["']?\b` + secretKey + `["']?\s*:\s*)(?:"[^"]*"?|'[^']*'?|[^\s,}][^,}]*)`)
	secretFile  = regexp.MustCompile(`(?i)(\bpassword_?file["']?\s*:\s*)(["']?[^\s"'/$][^,}]*)`)
	secretURL   = regexp.MustCompile(`(://)[^/@\s]+@`)
	secretBelow = regexp.MustCompile(`(?i)^\s*["']?` + secretKey + `["']?\s*:\s*[|>]?[+-]?\s*$`)
)

// mask hides what looks like a secret, since errors go to terminals, journals and tickets.
func mask(lines []string) []string {
	masked := make([]string, len(lines))
	for i, line := range lines {
		line = secretValue.ReplaceAllString(line, "$1***")
		line = secretFile.ReplaceAllString(line, "$1***")
		line = secretURL.ReplaceAllString(line, "$1***@")
		if i > 0 && secretBelow.MatchString(lines[i-1]) && !strings.Contains(line, ": ") {
			line = "***"
		}
		masked[i] = line
	}
	return masked
}
