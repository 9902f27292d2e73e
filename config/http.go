package config

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// HTTP is what is asked over the connection of a TLS check, and which answers are good.
type HTTP struct {
	Path     string // from /, with its query
	Method   string // HEAD or GET
	Statuses []StatusRange
}

// StatusRange is a range of the status codes of HTTP, both ends included.
type StatusRange struct{ First, Last int }

// The bounds of a status code (RFC 9110 section 15).
const (
	leastStatus = 100
	mostStatus  = 599
)

func httpForm() form[*HTTP] {
	return pointer(object([]key[HTTP]{
		field("path", "What is asked for.", targets(), func(h *HTTP) *string { return &h.Path }).byDefault("/"),
		field("method", "How it is asked for.", choice(http.MethodHead, http.MethodGet),
			func(h *HTTP) *string { return &h.Method }).byDefault(http.MethodHead),
		field("status", "The statuses of good answers: codes, or ranges of them as in 200-399.", list(statuses(), 1),
			func(h *HTTP) *[]StatusRange { return &h.Statuses }).byDefault("[200-399]"),
	}, nil))
}

// targets is the form of what a request asks for, in the form of origins (RFC 9112 section 3.2.1).
func targets() form[string] {
	return parsed(`^/[!-"$-~]*$`, func(s string) (string, string, string) {
		switch {
		case !strings.HasPrefix(s, "/"):
			return "", quote(s) + " does not begin with /", "write the path of the server alone, as in /api/health"
		case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' }):
			return "", quote(s) + " has characters that no request has", "write them as % and two digits, as in %20"
		}
		return s, "", ""
	})
}

// statuses is the form of a status code, which may stand as a number, or a range of them.
func statuses() form[StatusRange] {
	const code = `[1-5][0-9]{2}`
	s := schema{AnyOf: []*schema{
		{Type: "integer", Minimum: new(leastStatus), Maximum: new(mostStatus)},
		{Type: "string", Pattern: "^" + code + "(-" + code + ")?$"},
	}}
	return form[StatusRange]{schema: s, read: func(r *reader, n ast.Node) (StatusRange, bool) {
		word, ok := written(n)
		if !ok {
			r.wrong(n, "write a status, as in 200, or a range, as in 200-399", "a status belongs here, not %s", kindOf(n))
			return StatusRange{}, false
		}
		v, message, mend := parseStatuses(word)
		if message != "" {
			r.wrong(n, mend, "%s", message)
		}
		return v, message == ""
	}}
}

func parseStatuses(s string) (v StatusRange, message, mend string) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	low, okLow := parseStatus(first)
	high, okHigh := parseStatus(last)
	switch {
	case !okLow || !okHigh:
		return v, quote(s) + " is not a status of HTTP",
			fmt.Sprintf("write one from %d to %d, as in 200, or a range of them, as in 200-399", leastStatus, mostStatus)
	case low > high:
		return v, "the range " + quote(s) + " is the wrong way round", fmt.Sprintf("write %d-%d", high, low)
	}
	return StatusRange{First: low, Last: high}, "", ""
}

func parseStatus(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	const length = 3 // RFC 9110 section 15
	return n, err == nil && len(s) == length && n >= leastStatus && n <= mostStatus
}
