package monitor

import (
	"fmt"
	"strings"
	"testing"

	"sallyport/check"
)

// listed makes checks of a text such as "a b:a c:a,b": a name, and what it comes after.
func listed(text string) []check.Check {
	var checks []check.Check
	for field := range strings.FieldsSeq(text) {
		name, after, found := strings.Cut(field, ":")
		c := check.Check{Name: name}
		if found {
			c.After = strings.Split(after, ",")
		}
		checks = append(checks, c)
	}
	return checks
}

func TestGraph(t *testing.T) {
	tests := []struct{ checks, order, upstream, group string }{
		{"", "[]", "[]", "[]"},
		{"a b c", "[0 1 2]", "[[] [] []]", "[0 1 2]"},
		{"c:b b:a a", "[2 1 0]", "[[2 1] [2] []]", "[0 0 0]"},
		{"a b:a c:a d:b,c e", "[0 1 2 3 4]", "[[] [0] [0] [0 1 2] []]", "[0 0 0 0 4]"},
		{"x:b y:a a b z:a,b", "[2 3 4 0 1]", "[[3] [2] [] [] [2 3]]", "[0 0 0 0 0]"},
		{"a b:a,a", "[0 1]", "[[] [0]]", "[0 0]"},
	}
	for _, tt := range tests {
		g, err := newGraph(listed(tt.checks))
		if err != nil {
			t.Errorf("%s: %v", tt.checks, err)
			continue
		}
		got := fmt.Sprint(g.order, g.upstream, g.group)
		if want := tt.order + " " + tt.upstream + " " + tt.group; got != want {
			t.Errorf("%s: got %s, want %s", tt.checks, got, want)
		}
	}
}

func TestGraphRefuses(t *testing.T) {
	tests := []struct{ checks, want string }{
		{"a:x b:y", "check \"a\" comes after \"x\", which is no check: name one of the configuration\n" +
			"check \"b\" comes after \"y\", which is no check: name one of the configuration"},
		{"a:a", "checks wait for each other: a after a: remove one of these dependencies"},
		{"z a:b b:c c:a", "checks wait for each other: a after b after c after a: remove one of these dependencies"},
		{"z q:z,a a:z,b b:a", "checks wait for each other: a after b after a: remove one of these dependencies"},
	}
	for _, tt := range tests {
		if _, err := newGraph(listed(tt.checks)); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got error\n%v\nwant\n%s", tt.checks, err, tt.want)
		}
	}
}
