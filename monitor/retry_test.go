package monitor_test

import (
	"testing"
	"time"

	"sallyport/monitor"
)

func TestRetryGrowsAndStaysBounded(t *testing.T) {
	const first, longest = 100 * time.Millisecond, 5 * time.Second
	r := monitor.NewRetry(first, longest)
	if wait := r.Next(); wait < 80*time.Millisecond || wait > 120*time.Millisecond {
		t.Errorf("first wait %s, want about %s", wait, first)
	}
	var last time.Duration
	for range 10_000 {
		if last = r.Next(); last <= 0 || last > longest {
			t.Fatalf("wait %s, want within (0, %s]", last, longest)
		}
	}
	if last < longest*7/10 {
		t.Errorf("after many attempts it waits %s, want about %s", last, longest)
	}
	r.Reset()
	if wait := r.Next(); wait > 120*time.Millisecond {
		t.Errorf("after Reset it waits %s, want about %s", wait, first)
	}
}
