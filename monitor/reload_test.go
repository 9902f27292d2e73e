package monitor

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &witness{}
		m := mustNew(t, []check.Check{
			every(10*time.Second, "kept", broken),
			every(10*time.Second, "moved", broken),
			every(10*time.Second, "gone", well),
		}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(25 * time.Second)
		moved := every(10*time.Second, "moved", well)
		moved.Target = "elsewhere.test"
		err := m.Reload([]check.Check{every(10*time.Second, "new", well), every(10*time.Second, "kept", well), moved})
		if err != nil {
			t.Fatal(err)
		}
		states := m.States()
		if s := states[1]; s.Check != "kept" || s.Status != check.Fail || !s.Since.Equal(start) || s.Bad != 3 {
			t.Errorf("kept: %+v, want its state of before", s)
		}
		for _, i := range []int{0, 2} {
			if s := states[i]; s.Settled() || s.Bad != 0 {
				t.Errorf("%s: %+v, want a new state", s.Check, s)
			}
		}
		time.Sleep(10 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		for name, want := range map[string]string{
			"kept": "[0s 10s 20s 30s]", "moved": "[0s 10s 20s 25s 35s]", "gone": "[0s 10s 20s]", "new": "[25s 35s]",
		} {
			if got := fmt.Sprint(since(start, w.of(name))); got != want {
				t.Errorf("%s ran at %s, want %s", name, got, want)
			}
		}
		if s := m.States()[1]; s.Status != check.OK {
			t.Errorf("kept: %+v, want what its new Run says", s)
		}
	})
}

func TestReloadIsWholeOrNotAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		m := mustNew(t, []check.Check{every(time.Second, "a", well)}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(1500 * time.Millisecond)
		for _, bad := range [][]check.Check{
			{every(time.Minute, "a", broken), every(time.Second, "b", well, "nobody")},
			{every(time.Minute, "a", broken), every(time.Second, "b", well, "b")},
			{every(time.Minute, "a", broken), every(0, "b", well)},
		} {
			if err := m.Reload(bad); err == nil {
				t.Error("no error")
			}
		}
		time.Sleep(2 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := len(w.of("a")); got != 4 || len(w.results) != 4 || m.States()[0].Status != check.OK {
			t.Errorf("results %+v, want four of a as before", w.results)
		}
	})
}

// TestReloadCancels: the run of a check that is gone is cancelled, and what it says then is thrown away; the run of one
// that stays goes on and counts.
func TestReloadCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var cancelled atomic.Int64
		gone := func(ctx context.Context) check.Result {
			<-ctx.Done()
			cancelled.Store(int64(time.Since(start)))
			return broken(ctx)
		}
		kept := func(ctx context.Context) check.Result { time.Sleep(4 * time.Second); return well(ctx) }
		w := &witness{}
		m := mustNew(t, []check.Check{every(10*time.Second, "gone", gone), every(10*time.Second, "kept", kept)}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(time.Second)
		if err := m.Reload([]check.Check{every(10*time.Second, "kept", kept)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := time.Duration(cancelled.Load()); got != time.Second {
			t.Errorf("cancelled at %s, want 1s", got)
		}
		if len(w.of("gone")) != 0 || len(w.of("kept")) != 1 {
			t.Errorf("results %+v, want only one of kept", w.results)
		}
	})
}

// TestReloadOfIntervals: a shorter interval counts from the reload, a longer one from the next tick.
func TestReloadOfIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &witness{}
		m := mustNew(t, []check.Check{every(time.Hour, "a", well), every(10*time.Second, "b", well)}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(5 * time.Second)
		if err := m.Reload([]check.Check{every(10*time.Second, "a", well), every(20*time.Second, "b", well)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(since(start, w.of("a"))), "[0s 15s 25s 35s]"; got != want {
			t.Errorf("a ran at %s, want %s", got, want)
		}
		if got, want := fmt.Sprint(since(start, w.of("b"))), "[0s 10s 30s]"; got != want {
			t.Errorf("b ran at %s, want %s", got, want)
		}
	})
}

func TestReloadOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustNew(t, nil, Options{})
		stop := begin(t, m)
		time.Sleep(3 * time.Hour)
		start := time.Now()
		if err := m.Reload([]check.Check{every(time.Minute, "a", well)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s := m.States(); len(s) != 1 || s[0].Since.Sub(start) > time.Second || !s[0].Settled() {
			t.Errorf("states %+v, want the first result at once", s)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadForgetsWhatWaits: a check that is gone before its turn came is not run.
func TestReloadForgetsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hog := every(time.Hour, "hog", func(ctx context.Context) check.Result {
			time.Sleep(10 * time.Second)
			return well(ctx)
		})
		gone := func(ctx context.Context) check.Result { t.Error("it ran"); return well(ctx) }
		opts := lockstep
		opts.Workers = 1
		m := mustNew(t, []check.Check{hog, every(time.Hour, "gone", gone)}, opts)
		stop := begin(t, m)
		time.Sleep(time.Second)
		if err := m.Reload([]check.Check{hog}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestReloadOfAnExternalInterval: the wait for word is counted anew from when there was word last.
func TestReloadOfAnExternalInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &witness{}
		m := mustNew(t, []check.Check{guarded(time.Hour)}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(5 * time.Second)
		if err := m.Reload([]check.Check{guarded(10 * time.Second)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(since(start, w.of("ruleset"))), "[30s]"; got != want {
			t.Errorf("no word recorded at %s, want %s", got, want)
		}
	})
}

func TestCoalesceIsBounded(t *testing.T) {
	checks := []check.Check{every(time.Second, "a", well), every(100*time.Millisecond, "b", well)}
	for wanted, want := range map[time.Duration]time.Duration{
		0: 0, time.Millisecond: time.Millisecond, 20 * time.Millisecond: 5 * time.Millisecond,
	} {
		if got := coalesce(wanted, checks); got != want {
			t.Errorf("a window of %s with a shortest interval of 100 ms is %s, want %s", wanted, got, want)
		}
	}
	if got := coalesce(time.Second, nil); got != time.Second {
		t.Errorf("without checks: %s, want 1s", got)
	}
}
