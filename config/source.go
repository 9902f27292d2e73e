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
	// MaxSize bounds a file, in bytes: 100,000 networks, one to a line, are some 3 MiB.
	MaxSize = 4 << 20
	// maxMarks bounds what the YAML reader could take for the end of a value. It spends some 500 bytes on each.
	maxMarks = 400_000
	// maxExcerpt bounds the source line of an error, in characters.
	maxExcerpt = 110
)

// source is the text of a configuration, fit to be parsed: UTF-8, printable, lines that end in a line feed.
type source struct {
	name  string
	text  string
	lines []string
}

// newSource makes the text fit, or says why it cannot be.
func newSource(name string, data []byte) (*source, *Error) {
	whole := func(message, mend string) (*source, *Error) {
		return nil, &Error{Place: Place{File: name}, Message: message, Mend: mend}
	}
	switch {
	case len(data) > MaxSize:
		return whole(fmt.Sprintf("the file is larger than %d bytes", MaxSize),
			"name the right file: a configuration is a few kilobytes; long lists of addresses can be merged into networks")
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return whole("the file is UTF-16, not UTF-8", "save it as UTF-8: iconv -f UTF-16 -t UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		return whole("the file holds NUL bytes: it is not a text", "name the right file, or restore it from a backup")
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	// The YAML reader counts the lines of a file with CR LF wrongly, so it never sees one.
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	s := &source{name: name, text: text, lines: strings.Split(text, "\n")}
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
	for i, line := range s.lines {
		if err := s.unfitLine(i+1, line); err != nil {
			return err
		}
		marks += 1 + marksIn(line)
	}
	if marks > maxMarks {
		return &Error{Place: Place{File: s.name}, Message: fmt.Sprintf("the file holds more than %d values", maxMarks),
			Mend: "merge addresses into networks"}
	}
	return nil
}

// marksIn counts what could end a value. A colon before a digit or another colon, as in IPv6 addresses, does not.
func marksIn(line string) int {
	n := 0
	for i := range len(line) {
		switch line[i] {
		case ',', '-', '[', '{':
			n++
		case ':':
			if i+1 == len(line) || strings.IndexByte("0123456789abcdefABCDEF:", line[i+1]) < 0 {
				n++
			}
		}
	}
	return n
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

// place is a place of the text with its line: without secrets, and cut around the column where it is long.
func (s *source) place(line, col int) Place {
	p := Place{File: s.name, Line: max(line, 1), Col: max(col, 1)}
	if p.Line > len(s.lines) {
		return p
	}
	p.Col = min(p.Col, utf8.RuneCountInString(s.lines[p.Line-1])+1)
	before, after, cut := around(s.lines[p.Line-1], p.Col-1)
	if s.belowSecret(p.Line - 1) {
		before, after = "***", ""
	}
	// What is masked changes its length, so that the caret follows what stands before it.
	shown, left := []rune(mask(before+after)), len([]rune(mask(before)))
	from := 0
	if len(shown) > maxExcerpt && left > maxExcerpt/2 {
		from = min(left-maxExcerpt/2, len(shown)-maxExcerpt/2)
	}
	to := min(from+maxExcerpt, len(shown))
	p.caret = left - from + 1
	p.Source = strings.Map(visible, string(shown[from:to]))
	if from > 0 || cut {
		p.Source, p.caret = "…"+p.Source, p.caret+1
	}
	if to < len(shown) {
		p.Source += "…"
	}
	return p
}

// around is what stands in a line before and after so many characters, and whether its beginning is left out: no more
// of a long line is looked at than could be shown, and as much again to see the key of a secret.
func around(line string, chars int) (before, after string, cut bool) {
	const reach = 8 * maxExcerpt // bytes
	at := len(line)
	for i := range line {
		if chars == 0 {
			at = i
			break
		}
		chars--
	}
	before, after = line[:at], line[at:]
	if cut = len(before) > reach; cut {
		before = strings.ToValidUTF8(before[len(before)-reach:], "")
	}
	if len(after) > reach {
		after = strings.ToValidUTF8(after[:reach], "")
	}
	return before, after, cut
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
	secretAbove = regexp.MustCompile(`(?i)^[\s-]*["']?` + secretKey + `["']?\s*:\s*[|>]?[+-]?\s*$`)
)

// mask hides what looks like a secret, since errors go to terminals, journals and tickets.
func mask(line string) string {
	line = secretValue.ReplaceAllString(line, "$1***")
	line = secretFile.ReplaceAllString(line, "$1***")
	return secretURL.ReplaceAllString(line, "$1***@")
}

// belowSecret says whether a line, counted from 0, belongs to a secret that begins in a line before it.
func (s *source) belowSecret(i int) bool {
	const farthest = 100
	own := indentation(s.lines[i])
	for back := i - 1; back >= max(i-farthest, 0); back-- {
		if line := s.lines[back]; strings.TrimSpace(line) != "" && indentation(line) < own {
			return secretAbove.MatchString(line)
		}
	}
	return false
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
