package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ellipsis stands where a text was cut.
const ellipsis = "…"

// Printable returns s in a form that is safe on one line of a log, a terminal or a page, and at most max bytes long.
// Nothing a server says is trusted in a log: control characters, line breaks, bidirectional and invisible marks, bytes
// that are no UTF-8 and whatever else has no glyph are written as Go escapes (\n, \x1b, \u202e).
//
// A text that is too long is cut at a whole character or escape and ends in an ellipsis, which counts towards max; with
// less room than an ellipsis needs it is only cut. A backslash is left as it is, so that text which was escaped before
// reads the same afterwards: Printable(Printable(s, n), n) is Printable(s, n). Quotes are left too; the format that
// encloses the text escapes its own delimiters.
func Printable(s string, max int) string {
	var b strings.Builder
	fits := 0 // the length up to which an ellipsis still fits behind
	for len(s) > 0 {
		unit, size := nextUnit(s)
		if b.Len()+len(unit) > max {
			return cut(b.String(), fits, max)
		}
		b.WriteString(unit)
		if b.Len()+len(ellipsis) <= max {
			fits = b.Len()
		}
		s = s[size:]
	}
	return b.String()
}

// cut ends a text that went past its limit: at whole units, with an ellipsis where there is room for one.
func cut(whole string, fits, max int) string {
	if max < len(ellipsis) {
		return whole
	}
	return whole[:fits] + ellipsis
}

// nextUnit returns the first thing of s that must not be cut in half, as it is to be written, and how many bytes of s
// it stands for. s must not be empty.
func nextUnit(s string) (unit string, size int) {
	if n := escapeLen(s); n > 0 {
		return s[:n], n
	}
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return `\x` + hexDigits(s[0]), 1
	case visible(r):
		return s[:size], size
	default:
		quoted := strconv.QuoteRuneToASCII(r)
		return quoted[1 : len(quoted)-1], size
	}
}

// visible says whether r has a glyph of its own and takes its place in the order of reading. strconv.IsPrint lets a
// few code points pass that are never drawn (Hangul fillers, the grapheme joiner, variation selectors); they would
// make two different names look the same.
func visible(r rune) bool {
	return strconv.IsPrint(r) && r != blankBraille &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// blankBraille is drawn as a blank, yet counts as a symbol.
const blankBraille = '\u2800'

// escapeLen is the length of the Go escape that s begins with, 0 if there is none.
func escapeLen(s string) int {
	if len(s) < 2 || s[0] != '\\' {
		return 0
	}
	digits := 0
	switch s[1] {
	case 'a', 'b', 'f', 'n', 'r', 't', 'v', '\\', '\'', '"':
		return 2
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	}
	if digits == 0 || len(s) < 2+digits || strings.Trim(s[2:2+digits], "0123456789abcdefABCDEF") != "" {
		return 0
	}
	return 2 + digits
}

func hexDigits(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}
