package guard

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

// TestHeldUp holds that a guard which looks later than it is due takes no change for one that was made when it heard of it.
func TestHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(&slow{}, slog.New(slog.DiscardHandler))
		for _, turn := range []struct {
			after  time.Duration
			heldUp bool
		}{{0, false}, {interval, false}, {interval + punctual, false}, {10 * interval, true}, {interval, false}} {
			time.Sleep(turn.after)
			if g.Look(t.Context()); g.heldUp != turn.heldUp {
				t.Errorf("a look after %s: held up %t", turn.after, g.heldUp)
			}
		}
	})
}

// TestExposed holds what is said of how long the table was wrong: since the first change that was told of, or at most since
// it was last seen to be right.
func TestExposed(t *testing.T) {
	right := time.Now()
	change := noticed{author: Author{PID: 7, Command: "nft"}, at: right.Add(time.Second)}
	now := change.at.Add(3 * time.Millisecond)
	for name, test := range map[string]struct {
		led    []noticed
		right  time.Time
		heldUp bool
		after  string
		ms     float64
		atMost bool
	}{
		"told of":              {[]noticed{change}, right, false, " after 3ms", 3, false},
		"told of late":         {[]noticed{change}, right, true, " after at most 1.003s", 1003, true},
		"late, never right":    {[]noticed{change}, time.Time{}, true, " after 3ms", 3, false},
		"not told of":          {nil, right, false, " after at most 1.003s", 1003, true},
		"nothing is known":     {nil, time.Time{}, false, "", 0, false},
		"late and not told of": {nil, right, true, " after at most 1.003s", 1003, true},
	} {
		var b blame
		b.accuse(test.led, test.right, test.heldUp)
		exposed := b.exposed(now)
		if after := b.after(exposed); after != test.after {
			t.Errorf("%s: it says %q", name, after)
		}
		evidence, _ := b.on(check.Result{}, exposed).Evidence.(Evidence)
		if evidence.Exposed != test.ms || evidence.AtMost != test.atMost || (evidence.By != nil) != (test.led != nil) {
			t.Errorf("%s: %+v", name, evidence)
		}
	}
}
