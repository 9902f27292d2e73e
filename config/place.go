package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Place is where something stands in a file.
type Place struct {
	File   string
	Line   int    // from 1; 0 for the file as a whole
	Col    int    // from 1, in characters; 0 for the file as a whole
	Source string // the line, with what looks like a secret masked; cut where it is long
	caret  int    // the column within Source
}

// String is the place as compilers write it: file:line:col, or the file alone.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// excerpt is the source line with a caret under the place; empty for the file as a whole.
func (p Place) excerpt() string {
	if p.Line == 0 || p.Source == "" {
		return ""
	}
	return "    " + p.Source + "\n    " + strings.Repeat(" ", max(p.caret-1, 0)) + "^\n"
}

// before orders places as one meets them when reading.
func (p Place) before(q Place) int {
	return cmp.Or(cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Error is one thing that is wrong with a configuration: where, what, and what would be right.
type Error struct {
	Place
	Message string // what is wrong, in one sentence without a full stop
	Mend    string // what to do about it, in the same form; never empty
}

// Error is the error as a compiler prints one: the place and message, the source line with a caret, the mend.
func (e Error) Error() string {
	return e.String() + ": " + e.Message + "\n" + e.excerpt() + "    mend: " + e.Mend
}

// Errors is everything that is wrong with a configuration, in the order of place.
type Errors []Error

// Error is every error, one after the other.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, err := range e {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap gives each error to errors.Is and errors.As.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, err := range e {
		all[i] = err
	}
	return all
}

// sorted is the errors in the order of place; those of one place stay in the order in which they were found.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int { return a.before(b.Place) })
	return e
}

// capped is the errors with a word at their end that there may be more, where their number reached its bound.
func (e Errors) capped(name string) Errors {
	if len(e) < maxErrors {
		return e
	}
	return append(e, Error{Place: Place{File: name}, Message: "there are too many errors to show them all",
		Mend: "mend these first, or name the right file with --config"})
}

// Notice is something that the file asks for and that this version accepts without acting on it.
type Notice struct {
	Place
	Message string // one sentence without a full stop
}

// String is the notice on one line, with its place.
func (n Notice) String() string { return n.Place.String() + ": " + n.Message }
