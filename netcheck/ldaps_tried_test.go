package netcheck

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

// TestBook holds what may be sent after what became of it.
func TestBook(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const here, elsewhere, a, b = "ldaps://a", "ldaps://b", "192.0.2.1:636", "192.0.2.2:636"
	this := func(t tried) bool { return string(t.Digest) == "pw" || t.Stamp.Inode == 7 }
	other := func(t tried) bool { return string(t.Digest) == "other" || t.Stamp.Inode == 8 }
	one := tried{At: here, By: a, Since: now, Digest: []byte("pw"), Stamp: stamp{Inode: 7}, Cause: check.LDAPBadPassword}
	var none book
	tests := []struct {
		name    string
		book    book
		at, by  string
		is      same
		later   time.Duration
		held    string // the state that holds it
		accepts bool
	}{
		{"nothing", none, here, a, this, 0, "", false},
		{"refused", none.refused(one, this), here, a, this, 0, stateRefused, false},
		{"refused long ago", none.refused(one, this), here, a, this, 9999 * time.Hour, stateRefused, false},
		{"refused at another address", none.refused(one, this), here, b, this, 0, stateRefused, false},
		{"another password", none.refused(one, this), here, a, other, 0, "", false},
		{"another configuration", none.refused(one, this), elsewhere, a, this, 0, "", false},
		{"trying", none.marked(one), here, a, this, 0, stateTrying, false},
		{"trying, another address", none.marked(one), here, b, this, 0, stateTrying, false},
		{"trying, later", none.marked(one), here, a, this, forgetUnknown, "", false},
		{"trying, clock set back", none.marked(one), here, a, this, -time.Minute, stateTrying, false},
		{"trying, clock set far back", none.marked(one), here, a, this, -forgetUnknown, "", false},
		{"trying, not sent", none.marked(one).unmarked(here), here, a, this, 0, "", false},
		{"unanswered", none.marked(one).unanswered(one), here, a, this, 0, stateUnanswered, false},
		{"unanswered, later", none.marked(one).unanswered(one), here, a, this, forgetUnknown, "", false},
		{"unanswered, another address", none.marked(one).unanswered(one), here, b, this, 0, "", false},
		{"unanswered, tried elsewhere, not sent", none.unanswered(one).marked(one).unmarked(here), here, a, this, 0,
			stateUnanswered, false},
		{"accepted", none.marked(one).accepted(one), here, a, this, 0, "", true},
		{"accepted elsewhere", none.accepted(one), elsewhere, a, this, 0, "", false},
		{"refused, then accepted", none.refused(one, this).accepted(one), here, a, this, 0, "", true},
		{"accepted, then refused", none.accepted(one).refused(one, this), here, a, this, 0, stateRefused, false},
	}
	for _, tt := range tests {
		got, held := tt.book.held(tt.at, tt.by, tt.is, now.Add(tt.later))
		if got.State != tt.held || held != (tt.held != "") {
			t.Errorf("%s: held by %q, %t; want %q", tt.name, got.State, held, tt.held)
		}
		if accepts := tt.book.accepts(tt.at, tt.is); accepts != tt.accepts {
			t.Errorf("%s: accepts is %t", tt.name, accepts)
		}
	}
	if accepted := none.marked(one).accepted(one).Tries; len(accepted) != 1 || accepted[0].Digest != nil {
		t.Errorf("of an accepted password %+v is kept; want no digest", accepted)
	}
	one.Stamp = stamp{}
	if left := none.refused(one, this).accepted(one).Tries; len(left) != 0 {
		t.Errorf("of an accepted password without a stamp %+v is kept; want nothing", left)
	}
}

func TestBookIsBounded(t *testing.T) {
	t.Parallel()
	var b book
	for i := range 3 * maxTried {
		b = b.refused(tried{At: "x", Digest: []byte{byte(i)}}, func(tried) bool { return false })
	}
	if len(b.Tries) != maxTried || b.Tries[maxTried-1].Digest[0] != 3*maxTried-1 {
		t.Errorf("%d are kept, the last is %v", len(b.Tries), b.Tries[len(b.Tries)-1])
	}
}

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	if got := placeOf([]string{"ldaps://b:636", "ldaps://a:636", "ldaps://b:636"}); got != "ldaps://a:636 ldaps://b:636" {
		t.Errorf("got %q", got)
	}
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("ldaps://dc%d.corp.example:636", i))
	}
	if got := placeOf(many); !strings.HasPrefix(got, "sha256:") || len(got) != 71 || got == placeOf(many[1:]) {
		t.Errorf("got %q", got)
	}
}
