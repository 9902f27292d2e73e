// Package plain makes untrusted text fit for people's terminals and logs. It knows nothing of where the text comes from.
package plain

import (
	"strconv"
	"strings"
)

// Text is s without anything that could act on a terminal or a log: what is not printable ASCII is escaped
// (strconv.QuoteToASCII), and it is cut to limit characters, with three dots where it was.
func Text(s string, limit int) string {
	cut := false
	if len(s) > limit {
		s, cut = s[:limit], true
	}
	quoted := strconv.QuoteToASCII(s)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\\`, `\`)
	quoted = strings.ReplaceAll(quoted, `\"`, `"`)
	if len(quoted) > limit {
		quoted, cut = quoted[:limit], true
	}
	if cut {
		quoted += "..."
	}
	return quoted
}
