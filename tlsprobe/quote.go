package tlsprobe

import "strconv"

// maxQuoted is how many bytes of a server's words a sentence may carry.
const maxQuoted = 128

// quote makes a server's words fit for a sentence: control, bidirectional and other non-ASCII characters are escaped,
// and what is too long is cut.
func quote(words string) string {
	if len(words) > maxQuoted {
		return strconv.QuoteToASCII(words[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(words)
}
