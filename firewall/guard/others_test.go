package guard

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
	"sallyport/firewall/kernel"
)

// TestOthersAreLookedAt holds when: at first, every half minute, soon after a change of others, and never more than a
// tenth of the time.
func TestOthersAreLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		var took time.Duration
		o := &others{wake: make(chan struct{}, 1), look: func(context.Context) check.Result {
			looks.Add(1)
			time.Sleep(took)
			return check.Result{Status: check.OK}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { o.keep(ctx); close(ended) }()
		after := func(d time.Duration, want int64, why string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := looks.Load(); got != want {
				t.Fatalf("%s: %d looks, not %d", why, got, want)
			}
		}
		after(time.Second, 1, "at first")
		after(othersEvery, 2, "by itself")
		for range 10 {
			o.changed(kernel.Change{})
		}
		after(othersSettle, 3, "after a change, however often it is told of")
		after(10*time.Second, 3, "after nothing")
		(&Guard{others: o}).keepFrom(kept{})
		after(othersSettle, 4, "after another policy")
		took = time.Second
		for range 1000 {
			o.changed(kernel.Change{})
			time.Sleep(100 * time.Millisecond)
		}
		if made := looks.Load() - 4; made > 11 {
			t.Errorf("%d looks of a second each in 100 seconds", made)
		}
		cancel()
		<-ended
	})
}

// TestBeside holds what a report makes of others.
func TestBeside(t *testing.T) {
	seen := func(status check.Status) *others {
		return &others{seen: true, last: check.Result{
			Status: status, Cause: check.FirewallForeignDrop, Detail: "theirs", Remedy: "remove it",
			Evidence: []string{"rule"},
		}}
	}
	right := check.Result{Status: check.OK, Detail: "ours", Evidence: Evidence{Hash: "h"}}
	wrong := check.Result{Status: check.Fail, Cause: check.FirewallDrift, Detail: "ours", Evidence: Evidence{Hash: "h"}}
	for name, test := range map[string]struct {
		o      *others
		ours   check.Result
		status check.Status
		cause  check.Cause
		detail string
	}{
		"not watched":  {nil, right, check.OK, "", "ours"},
		"not seen yet": {&others{}, right, check.OK, "", "ours"},
		"both right":   {seen(check.OK), right, check.OK, "", "ours"},
		"theirs warns": {seen(check.Warn), right, check.Warn, check.FirewallForeignDrop, "theirs"},
		"theirs fails": {seen(check.Fail), right, check.Fail, check.FirewallForeignDrop, "theirs"},
		"ours fails":   {seen(check.Fail), wrong, check.Fail, check.FirewallDrift, "ours"},
		"cannot be told": {
			seen(check.Unknown), right, check.OK, "", "ours; what others' rules do to it could not be told: theirs",
		},
		"ours and theirs": {seen(check.Warn), wrong, check.Fail, check.FirewallDrift, "ours"},
	} {
		r := test.o.beside(test.ours)
		if r.Status != test.status || r.Cause != test.cause || r.Detail != test.detail {
			t.Errorf("%s: %s %s %q", name, r.Status, r.Cause, r.Detail)
		}
		evidence, ok := r.Evidence.(Evidence)
		if !ok || evidence.Hash != "h" || (evidence.Others != nil) != (test.o != nil && test.o.seen) {
			t.Errorf("%s: evidence %+v", name, r.Evidence)
		}
	}
}
