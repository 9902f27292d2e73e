package jvm

import "strings"

// fields splits a text at white space, with quotation marks, backslashes in them, and comments, as Java's launcher does
// with a file of arguments (libjli/args.c). Variables of the environment have no comments, but no flag begins with #.
func fields(text string) []string {
	var s splitter
	for _, r := range text {
		switch {
		case s.comment:
			s.comment = r != '\n' && r != '\r'
		case s.quote != 0:
			s.quoted(r)
		default:
			s.plain(r)
		}
	}
	s.end()
	return s.all
}

// splitter is a text being split.
type splitter struct {
	all              []string
	word             strings.Builder
	begun            bool // a word is
	comment, escaped bool
	quote            rune
}

func (s *splitter) end() {
	if s.begun {
		s.all = append(s.all, s.word.String())
	}
	s.word.Reset()
	s.begun = false
}

func (s *splitter) quoted(r rune) {
	switch {
	case s.escaped:
		s.escaped = false
		if r != '\n' && r != '\r' { // else the line goes on
			s.word.WriteRune(r)
		}
	case r == '\\':
		s.escaped = true
	case r == s.quote:
		s.quote = 0
	default:
		s.word.WriteRune(r)
	}
}

func (s *splitter) plain(r rune) {
	switch r {
	case '"', '\'':
		s.quote, s.begun = r, true
	case ' ', '\t', '\r', '\n', '\f':
		s.end()
	case '#':
		if !s.begun {
			s.comment = true
			return
		}
		s.word.WriteRune(r)
	default:
		s.word.WriteRune(r)
		s.begun = true
	}
}
