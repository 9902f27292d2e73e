package monitor

import (
	"testing"
	"time"
)

// TestConfirmationNeverStops waits far beyond the 15 minutes after which backoff/v4 stops unless told otherwise.
func TestConfirmationNeverStops(t *testing.T) {
	for _, interval := range []time.Duration{100 * time.Millisecond, 30 * time.Second, 24 * time.Hour} {
		c := newConfirmation(interval)
		for round := range 2 {
			want := interval / 10
			for i := range 200 {
				got := c.next()
				if got < want*8/10 || got > min(want*12/10+1, interval) {
					t.Fatalf("interval %s, round %d: wait %d is %s, want a fifth around %s", interval, round, i, got, want)
				}
				want = min(2*want, interval)
			}
			c.reset()
		}
	}
}
