package monitor

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

// stubborn is a sink that blocks until it is released.
type stubborn struct {
	witness
	release chan struct{}
}

func (s *stubborn) Name() string { return "stubborn" }

func (s *stubborn) Result(r check.Result) {
	<-s.release
	s.witness.Result(r)
}

// TestSinkThatBlocks holds up neither the checks nor the other sinks; what it misses is counted, results before
// transitions.
func TestSinkThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		free, stuck := &witness{}, &stubborn{release: make(chan struct{})}
		m := mustNew(t, []check.Check{guarded(time.Hour)},
			Options{Jitter: -1, Queue: 16, Logger: slog.New(slog.NewTextHandler(&log, nil))}, stuck, free)
		stop := begin(t, m)
		for i := range 100 {
			status := check.OK
			if i%20 == 19 {
				status = check.Warn
			}
			if err := m.Observe(check.Result{Check: "ruleset", Status: status}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		drops := m.Dropped()
		if len(drops) != 2 || drops[0].Sink != "stubborn" || drops[1] != (Drop{Sink: "witness"}) {
			t.Fatalf("dropped %+v, want something of the one that blocks, nothing of the other", drops)
		}
		if len(free.results) != 100 || len(free.transitions) != 10 {
			t.Errorf("the other sink got %d results and %d transitions, want 100 and 10",
				len(free.results), len(free.transitions))
		}
		close(stuck.release)
		if err := stop(); err != nil {
			t.Error(err)
		}
		got := uint64(len(stuck.results))
		if got+drops[0].Results != 100 || got < 12 {
			t.Errorf("%d arrived and %d were dropped of 100", got, drops[0].Results)
		}
		if n := uint64(len(stuck.transitions)); n+drops[0].Transitions != 10 || n < 5 {
			t.Errorf("%d transitions arrived and %d were dropped of 10, want the reserve used for them",
				n, drops[0].Transitions)
		}
		if n := strings.Count(log.String(), "stubborn"); n < 3 || n > 8 {
			t.Errorf("%d lines logged for %d drops:\n%s", n, drops[0].Results, log.String())
		}
	})
}

// TestSinkGetsWhatIsQueued: results that are queued when the monitor stops still arrive, in order, each before its
// transition.
func TestSinkGetsWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &order{}
		m := mustNew(t, []check.Check{guarded(time.Hour)}, lockstep, w)
		stop := begin(t, m)
		synctest.Wait()
		for i, status := range []check.Status{check.OK, check.Warn, check.OK} {
			if err := m.Observe(check.Result{Check: "ruleset", Status: status, Detail: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := "[result 0 transition 0 result 1 transition 1 result 2 transition 2]"
		if got := fmt.Sprint(w.told); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

// TestSinkThatIsSlowAtTheEnd: what is queued behind a result that takes a while still arrives, within the grace.
func TestSinkThatIsSlowAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := &stubborn{release: make(chan struct{})}
		m := mustNew(t, []check.Check{guarded(time.Hour)}, lockstep, stuck)
		stop := begin(t, m)
		for range 20 {
			if err := m.Observe(check.Result{Check: "ruleset", Status: check.OK}); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(200*time.Millisecond, func() { close(stuck.release) })
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := len(stuck.results); got != 20 {
			t.Errorf("%d of 20 results arrived", got)
		}
	})
}

type order struct{ told []string }

func (o *order) Result(r check.Result) { o.told = append(o.told, "result "+r.Detail) }
func (o *order) Transition(t check.Transition) {
	o.told = append(o.told, "transition "+t.Result.Detail)
}

// TestStopNamesASinkThatHangs: within a second, and the other sinks are waited for all the same.
func TestStopNamesASinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, free := &stubborn{release: make(chan struct{})}, &witness{}
		m := mustNew(t, []check.Check{every(time.Second, "a", well)}, lockstep, stuck, free)
		stop := begin(t, m)
		time.Sleep(2500 * time.Millisecond)
		began := time.Now()
		err := stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("stopped after %s", took)
		}
		if err == nil || err.Error() != "sink stubborn does not take what is queued for it (2 left): abandoned" {
			t.Errorf("Run gave %v, want the sink's name", err)
		}
		if len(free.results) != 3 {
			t.Errorf("the other sink got %d results, want 3", len(free.results))
		}
		close(stuck.release)
	})
}
