package report

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestPrintable(t *testing.T) {
	tests := []struct {
		name, in string
		max      int
		want     string
	}{
		{"empty", "", 10, ""},
		{"plain", "expired 3 days ago", 100, "expired 3 days ago"},
		{"letters of the world", "Zürich 東京 Ελλάς", 100, "Zürich 東京 Ελλάς"},
		{"newline forges a record", "CN=x\n<0>1 forged", 100, `CN=x\n<0>1 forged`},
		{"carriage return and tab", "a\r\tb", 100, `a\r\tb`},
		{"terminal escape", "\x1b[2Jgone", 100, `\x1b[2Jgone`},
		{"nul and delete", "a\x00b\x7f", 100, `a\x00b\x7f`},
		{"C1 control", "a\u009bb", 100, `a\u009bb`},
		{"right-to-left override", "exe.\u202efdp", 100, `exe.\u202efdp`},
		{"isolate and zero width", "a\u2066b\u200bc\ufeff", 100, `a\u2066b\u200bc\ufeff`},
		{"line separator", "a\u2028b", 100, `a\u2028b`},
		{"spaces that are no space", "a\u00a0b\u3000", 100, `a\u00a0b\u3000`},
		{"drawn as nothing", "a\u3164\u115f\u034f\ufe0f\u2800", 100, `a\u3164\u115f\u034f\ufe0f\u2800`},
		{"tag character", "a\U000e0041", 100, `a\U000e0041`},
		{"not UTF-8", "a\xff\xc3", 100, `a\xff\xc3`},
		{"replacement character is itself", "a\ufffd", 100, "a\ufffd"},
		{"backslash stays", `CORP\uds`, 100, `CORP\uds`},
		{"escaped before", `"a\nb\u202e"`, 100, `"a\nb\u202e"`},
		{"exactly fits", "abcdef", 6, "abcdef"},
		{"one too long", "abcdefg", 6, "abc…"},
		{"cut before a wide letter", "ab東京x", 7, "ab…"},
		{"escape whole or not", "abcd\n", 5, "ab…"},
		{"escape just fits", "abc\n", 5, `abc\n`},
		{"earlier escape whole or not", `a\u202ebcdef`, 9, "a…"},
		{"earlier escape kept", `a\u202ebcdef`, 10, `a\u202e…`},
		{"only an ellipsis", "abcdef", 3, "…"},
		{"no room for one", "abcdef", 2, "ab"},
		{"no room", "abc", 0, ""},
		{"less than none", "abc", -1, ""},
		{"nothing in nothing", "", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Printable(tt.in, tt.max); got != tt.want {
				t.Errorf("Printable(%q, %d) = %q, want %q", tt.in, tt.max, got, tt.want)
			}
		})
	}
}

func FuzzPrintable(f *testing.F) {
	for _, s := range []string{"", "plain", "a\nb", "\x1b[2J", "\u202e", `\u202e`, `\x4`, "\xff\xfe", "東京", `\\\`} {
		f.Add(s, 8)
	}
	f.Fuzz(func(t *testing.T, s string, max int) {
		got := Printable(s, max)
		if len(got) > 0 && len(got) > max {
			t.Fatalf("%d bytes, limit %d: %q", len(got), max, got)
		}
		if !utf8.ValidString(got) {
			t.Fatalf("not UTF-8: %q", got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Fatalf("%U in %q", r, got)
			}
		}
		if again := Printable(got, max); again != got {
			t.Fatalf("escaped again, %q became %q", got, again)
		}
		if max > 10*len(s) && strings.HasSuffix(got, ellipsis) && !strings.HasSuffix(s, ellipsis) {
			t.Fatalf("cut without need: %q", got)
		}
	})
}
