package term

import (
	"sallyport/check"
)

// ANSI escapes (ECMA-48 section 8.3.117, SGR): the eight colours that every terminal has, whatever its background.
const (
	reset   = "\x1b[0m"
	boldRed = "\x1b[1;31m"
	green   = "\x1b[32m"
	yellow  = "\x1b[33m"
	magenta = "\x1b[35m"
	cyan    = "\x1b[36m"
)

func color(s check.Status) string {
	switch s {
	case check.OK:
		return green
	case check.Warn:
		return yellow
	case check.Fail:
		return boldRed
	case check.Skipped, check.Waived:
		return cyan
	default:
		return magenta
	}
}

// paint is text in the colour of a status.
func (p *page) paint(s check.Status, text string) string {
	if !p.options.Color {
		return text
	}
	return color(s) + text + reset
}

// word is a status in its colour, padded.
func (p *page) word(s check.Status, columns int) string { return p.paint(s, pad(s.String(), columns)) }
