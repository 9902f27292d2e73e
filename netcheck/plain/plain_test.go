package plain

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", `a "word" \032`: `a "word" \032`, "\x1b[31m\n": `\x1b[31m\n`,
		"é\u202e\xff":           `\u00e9\u202e\xff`,
		strings.Repeat("x", 31): strings.Repeat("x", 30) + "...",
	} {
		if got := Text(in, 30); got != want {
			t.Errorf("%q: got %q; want %q", in, got, want)
		}
	}
}
