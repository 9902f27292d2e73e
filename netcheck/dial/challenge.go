package dial

import (
	"slices"
	"strconv"
	"strings"
)

// Bounds on what of a proxy's challenges is shown.
const (
	maxSchemes = 8
	maxScheme  = 32
)

// schemes are the names of the authentication schemes in Proxy-Authenticate headers, each once and escaped. A header may
// hold several challenges, whose parameters are separated by commas as they are (RFC 9110 section 11.6.1): a part that
// begins with a word of its own, and not with name=value, begins a challenge.
func schemes(headers []string) []string {
	var names []string
	for _, header := range headers {
		for part := range parts(header) {
			word, rest, _ := strings.Cut(strings.TrimSpace(part), " ")
			if word == "" || strings.Contains(word, "=") || strings.HasPrefix(strings.TrimSpace(rest), "=") {
				continue
			}
			name := strings.Trim(strconv.QuoteToASCII(word[:min(len(word), maxScheme)]), `"`)
			if !slices.Contains(names, name) && len(names) < maxSchemes {
				names = append(names, name)
			}
		}
	}
	return names
}

// parts are what commas outside of quotes separate (RFC 9110 section 5.6.4).
func parts(header string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		begin, quoted, escaped := 0, false, false
		for i := range len(header) {
			c := header[i]
			switch {
			case escaped:
				escaped = false
			case quoted && c == '\\':
				escaped = true
			case c == '"':
				quoted = !quoted
			case c == ',' && !quoted:
				if !yield(header[begin:i]) {
					return
				}
				begin = i + 1
			}
		}
		yield(header[begin:])
	}
}
