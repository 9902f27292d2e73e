package tlsprobe

import (
	"strconv"
	"strings"
)

// How many bytes of a server's words, and of an error's, a sentence may carry.
const (
	maxQuoted = 128
	maxClean  = 300
)

// quote makes a server's words fit for a sentence: control, bidirectional and other non-ASCII characters are escaped,
// and what is too long is cut.
func quote(words string) string {
	if len(words) > maxQuoted {
		return strconv.QuoteToASCII(words[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(words)
}

// clean is an error's own words, in which those of a server may stand: escaped in the same way, without quotes.
func clean(words string) string {
	quoted := strconv.QuoteToASCII(words[:min(len(words), maxClean)])
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
