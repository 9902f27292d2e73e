package monitor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

// witness is a sink that remembers.
type witness struct {
	mu          sync.Mutex
	results     []check.Result
	transitions []check.Transition
}

func (w *witness) Name() string { return "witness" }

func (w *witness) Result(r check.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results = append(w.results, r)
}

func (w *witness) Transition(t check.Transition) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.transitions = append(w.transitions, t)
}

// of is the results of one check.
func (w *witness) of(name string) []check.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.results), func(r check.Result) bool { return r.Check != name })
}

// moves is the transitions in short: "dns unknown>fail connect.timeout".
func (w *witness) moves() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var moves []string
	for _, t := range w.transitions {
		moves = append(moves, strings.TrimSpace(fmt.Sprintf("%s %s>%s %s", t.Check, t.From, t.To, t.Result.Cause)))
	}
	return moves
}

// since is when each result's run began, counted from the start.
func since(start time.Time, results []check.Result) []time.Duration {
	var times []time.Duration
	for _, r := range results {
		times = append(times, r.Time.Sub(start))
	}
	return times
}

// every is a check of the given interval, with a timeout of half of it and thresholds of one.
func every(interval time.Duration, name string, run func(context.Context) check.Result, after ...string) check.Check {
	return check.Check{
		Name: name, Kind: "k", Target: name + ".test", After: after,
		Interval: interval, Timeout: interval / 2, FailAfter: 1, RecoverAfter: 1, Run: run,
	}
}

func well(context.Context) check.Result { return check.Result{Status: check.OK} }

func broken(context.Context) check.Result {
	return check.Result{Status: check.Fail, Cause: check.ConnectTimeout}
}

// lockstep has nothing random in it.
var lockstep = Options{Jitter: -1, Coalesce: -1}

// begin runs a monitor; the function that it gives stops it and is the error of Run. A goroutine that is left over
// makes the bubble of synctest fail.
func begin(t *testing.T, m *Monitor) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	return func() error {
		synctest.Wait()
		cancel()
		return <-ended
	}
}

func mustNew(t *testing.T, checks []check.Check, opts Options, sinks ...Sink) *Monitor {
	t.Helper()
	m, err := New(checks, opts, sinks...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// watch runs the checks for a while and gives what the sink saw.
func watch(t *testing.T, d time.Duration, opts Options, checks ...check.Check) (*witness, Stats) {
	t.Helper()
	w := &witness{}
	m := mustNew(t, checks, opts, w)
	stop := begin(t, m)
	time.Sleep(d)
	if err := stop(); err != nil {
		t.Error(err)
	}
	return w, m.Stats()
}

func TestIntervalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		slow := func(ctx context.Context) check.Result { time.Sleep(400 * time.Millisecond); return well(ctx) }
		w, _ := watch(t, 3500*time.Millisecond, lockstep,
			every(time.Second, "a", slow), every(1500*time.Millisecond, "b", broken))
		if got, want := fmt.Sprint(since(start, w.of("a"))), "[0s 1s 2s 3s]"; got != want {
			t.Errorf("a ran at %s, want %s", got, want)
		}
		if got, want := fmt.Sprint(since(start, w.of("b"))), "[0s 1.5s 3s]"; got != want {
			t.Errorf("b, which fails, ran at %s, want %s", got, want)
		}
	})
}

// TestJitterBound looks at 200 runs: each on a grid, late by up to the jitter, early by up to the window, never drifting.
func TestJitterBound(t *testing.T) {
	const interval, coalesce = 10 * time.Second, 20 * time.Millisecond
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w, _ := watch(t, 200*interval, Options{Seed: seed + 1, Jitter: 0.1}, every(interval, "a", well))
			times := since(start, w.of("a"))
			second := times[1] - times[0]
			if len(times) < 199 || times[0] > spreadEach || second > interval*11/10 || second < interval/2 {
				t.Fatalf("%d runs, the first at %v", len(times), times[:2])
			}
			grid := time.Duration(slices.Min(phases(times[1:], interval)))
			distinct := map[time.Duration]bool{}
			for _, at := range times[1:] {
				late := (at - grid) % interval
				if late > interval/10+coalesce {
					t.Errorf("a run at %s is %s late: more than a tenth of %s", at, late, interval)
				}
				distinct[late] = true
			}
			if len(distinct) < 50 {
				t.Errorf("only %d different delays in %d runs", len(distinct), len(times))
			}
		})
	}
}

// phases are the times within their interval, moved so that a grid near the interval's edge does not wrap.
func phases(times []time.Duration, interval time.Duration) []int64 {
	var out []int64
	for i, at := range times {
		out = append(out, int64(at-time.Duration(i)*interval))
	}
	return out
}

func TestFirstResultsComeQuickly(t *testing.T) {
	for _, n := range []int{1, 5, 500} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var checks []check.Check
			for i := range n {
				checks = append(checks, every(time.Hour, fmt.Sprint(i), well))
			}
			w, _ := watch(t, time.Second+time.Millisecond, Options{}, checks...)
			if len(w.results) != n {
				t.Errorf("%d of %d checks ran in the first second", len(w.results), n)
			}
			last := since(start, w.results)[len(w.results)-1]
			if limit := time.Duration(n) * spreadEach; last > limit {
				t.Errorf("the last of %d came after %s, want %s at most", n, last, limit)
			}
		})
	}
}

// TestPhasesSpread: what began within a second does not run within the same second ever after.
func TestPhasesSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks []check.Check
		for i := range 100 {
			checks = append(checks, every(time.Minute, fmt.Sprint(i), well))
		}
		start := time.Now()
		w, _ := watch(t, 10*time.Minute, Options{Seed: 1}, checks...)
		busiest := map[time.Duration]int{}
		for _, at := range since(start, w.results) {
			if at > 5*time.Minute {
				busiest[at.Truncate(time.Second)]++
			}
		}
		for second, n := range busiest {
			if n > 15 {
				t.Errorf("%d of 100 runs in the second from %s", n, second)
			}
		}
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		patient := func(ctx context.Context) check.Result {
			<-ctx.Done()
			return check.Result{Status: check.Fail, Cause: check.TLSTimeout, Detail: ctx.Err().Error()}
		}
		w, _ := watch(t, 900*time.Millisecond, lockstep, every(time.Second, "a", patient))
		got := w.of("a")
		if len(got) != 1 || got[0].Duration != 500*time.Millisecond || got[0].Detail != "context deadline exceeded" {
			t.Errorf("got %+v, want one result after the timeout of 500ms", got)
		}
	})
}

// TestConfirmations: from the first bad result to the state's change runs come sooner than the interval, and then no more.
func TestConfirmations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := every(100*time.Second, "a", broken)
		c.FailAfter = 3
		w, _ := watch(t, 250*time.Second, lockstep, c)
		times := since(start, w.of("a"))
		if len(times) != 5 {
			t.Fatalf("ran at %v, want the first, two confirmations, two ticks", times)
		}
		within(t, "first confirmation", times[1], 8*time.Second, 12*time.Second)
		within(t, "second confirmation", times[2]-times[1], 16*time.Second, 24*time.Second)
		if times[3] != 100*time.Second || times[4] != 200*time.Second {
			t.Errorf("ticks at %v: confirmations moved the check's own interval", times[3:])
		}
		if got := w.moves(); len(got) != 1 || !w.transitions[0].Result.Time.Equal(start.Add(times[2])) {
			t.Errorf("transitions %v, want one at the third bad result", got)
		}
	})
}

func within(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s after %s, want between %s and %s", what, got, low, high)
	}
}

// TestConfirmationsStopAtABlip: one bad result is confirmed once; a good one ends it, and the next blip is confirmed as
// soon as the first one was.
func TestConfirmationsStopAtABlip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := every(10*time.Second, "a", func(ctx context.Context) check.Result {
			if since := time.Since(start); since > time.Second && since%(10*time.Second) == 0 {
				return broken(ctx)
			}
			return well(ctx)
		})
		c.FailAfter = 2
		w, _ := watch(t, 55*time.Second, lockstep, c)
		times := since(start, w.of("a"))
		if len(times) != 11 {
			t.Fatalf("ran at %v, want six ticks and five confirmations", times)
		}
		for i := 2; i < len(times); i += 2 {
			within(t, "confirmation", times[i]-times[i-1], 800*time.Millisecond, 1200*time.Millisecond)
		}
		if got := w.moves(); len(got) != 1 {
			t.Errorf("transitions %v, want only the first", got)
		}
	})
}

func TestDependentsAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fails atomic.Bool
		dns := func(ctx context.Context) check.Result {
			time.Sleep(50 * time.Millisecond)
			if fails.Load() {
				return check.Result{Status: check.Fail, Cause: check.DNSTimeout}
			}
			return well(ctx)
		}
		tls := func(ctx context.Context) check.Result {
			if fails.Load() {
				return check.Result{Status: check.Fail, Cause: check.DNSTimeout}
			}
			return well(ctx)
		}
		w := &witness{}
		m := mustNew(t, []check.Check{
			every(10*time.Second, "leaf", tls, "tls"),
			every(10*time.Second, "tls", tls, "dns"),
			every(10*time.Second, "dns", dns),
		}, Options{Seed: 7}, w)
		stop := begin(t, m)
		time.Sleep(95 * time.Second)
		if len(w.of("tls")) < 9 || len(w.of("leaf")) < 9 {
			t.Errorf("tls ran %d times, leaf %d times", len(w.of("tls")), len(w.of("leaf")))
		}
		fails.Store(true)
		time.Sleep(100 * time.Second)
		fails.Store(false)
		time.Sleep(30 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := "[dns unknown>ok tls unknown>ok leaf unknown>ok dns ok>fail dns.timeout dns fail>ok]"
		if got := fmt.Sprint(w.moves()); got != want {
			t.Errorf("transitions %s\nwant        %s: one fault, one alarm", got, want)
		}
		for _, name := range []string{"tls", "leaf"} {
			r := w.of(name)[12]
			if r.Status != check.Skipped || r.Detail != "not run: it depends on dns, which fails" {
				t.Errorf("%s: got %+v, want it skipped because of dns", name, r)
			}
		}
	})
}

// TestUnbelievedFailureBlocks: what depends on a check is skipped from the first bad result on, and until the state is
// good again.
func TestUnbelievedFailureBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		dns := every(10*time.Second, "dns", func(ctx context.Context) check.Result {
			if at := time.Since(start); at > 5*time.Second && at < 25*time.Second {
				return broken(ctx)
			}
			return well(ctx)
		})
		dns.FailAfter, dns.RecoverAfter = 2, 2
		w, _ := watch(t, 55*time.Second, lockstep, dns, every(10*time.Second, "tls", well, "dns"))
		var got []string
		for _, r := range w.of("tls") {
			got = append(got, r.Status.String())
		}
		if want := "ok skipped skipped skipped ok ok"; strings.Join(got, " ") != want {
			t.Errorf("tls: %s, want %s: dns is bad at 10 s and 20 s, and good for the second time at 40 s", got, want)
		}
	})
}

// TestReleaseIsPrompt: what was skipped runs as soon as what it depends on is well, not an interval later.
func TestReleaseIsPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		dns := func(ctx context.Context) check.Result {
			if time.Since(start) < 9*time.Second {
				return broken(ctx)
			}
			return well(ctx)
		}
		w, _ := watch(t, 12*time.Second, lockstep, every(10*time.Second, "dns", dns), every(time.Hour, "tls", well, "dns"))
		if got, want := fmt.Sprint(since(start, w.of("tls"))), "[0s 10s]"; got != want {
			t.Errorf("tls ran at %s, want %s", got, want)
		}
	})
}

// TestConfirmationBeginsUpstream: a dependent that sees the fault first has what it depends on tried before itself.
func TestConfirmationBeginsUpstream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		run := func(ctx context.Context) check.Result {
			if time.Since(start) > time.Second {
				return broken(ctx)
			}
			return well(ctx)
		}
		tls := every(10*time.Second, "tls", run, "dns")
		tls.FailAfter = 2
		w, _ := watch(t, 35*time.Second, lockstep, tls, every(time.Hour, "dns", run))
		want := "[dns unknown>ok tls unknown>ok dns ok>fail connect.timeout]"
		if got := fmt.Sprint(w.moves()); got != want {
			t.Errorf("transitions %s, want %s", got, want)
		}
	})
}

// TestCoalesce: 100 checks with intervals of a second wake the loop 50 times a second at most, not 100 times.
func TestCoalesce(t *testing.T) {
	wakes := func(window time.Duration) (n uint64) {
		synctest.Test(t, func(t *testing.T) {
			var checks []check.Check
			for i := range 100 {
				checks = append(checks, every(time.Second, fmt.Sprint(i), well))
			}
			_, stats := watch(t, 60*time.Second, Options{Seed: 3, Coalesce: window}, checks...)
			if stats.Runs < 5900 {
				t.Errorf("window %s: %d runs in a minute, want 6000", window, stats.Runs)
			}
			n = stats.Wakes
		})
		return n
	}
	alone, shared := wakes(-1), wakes(20*time.Millisecond)
	if shared > 60*50 || alone < 60*95 {
		t.Errorf("%d wake-ups in a minute with a window of 20 ms, %d without one", shared, alone)
	}
}

// TestOverload: 500 checks of 200 ms each on 16 workers make 80 runs a second where 500 are due.
func TestOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		busy := map[string]*atomic.Int32{}
		var checks []check.Check
		for i := range 500 {
			name := fmt.Sprint(i)
			mine := new(atomic.Int32)
			busy[name] = mine
			checks = append(checks, every(time.Second, name, func(ctx context.Context) check.Result {
				if mine.Add(1) > 1 {
					t.Errorf("%s overlaps itself", name)
				}
				defer mine.Add(-1)
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				time.Sleep(200 * time.Millisecond)
				return well(ctx)
			}))
		}
		w, stats := watch(t, 100*time.Second, Options{Seed: 5}, checks...)
		if most.Load() != 16 {
			t.Errorf("%d runs at once, want 16", most.Load())
		}
		if n := len(w.results); n < 7900 || n > 8000 {
			t.Errorf("%d results in 100 seconds, want 80 a second", n)
		}
		least, greatest := 1000, 0
		for name := range busy {
			n := len(w.of(name))
			least, greatest = min(least, n), max(greatest, n)
		}
		if least < 14 || greatest > 18 {
			t.Errorf("between %d and %d runs a check: not fair", least, greatest)
		}
		if stats.Missed == 0 {
			t.Error("no tick counts as missed")
		}
	})
}

// TestMissedTicksAreNotMadeUp: a run that was kept waiting for three intervals is followed by one run, not by three.
func TestMissedTicksAreNotMadeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		opts := lockstep
		opts.Workers = 1
		hog := every(time.Hour, "hog", func(ctx context.Context) check.Result {
			time.Sleep(3500 * time.Millisecond)
			return well(ctx)
		})
		w, stats := watch(t, 6500*time.Millisecond, opts, hog, every(time.Second, "a", well))
		if got, want := fmt.Sprint(since(start, w.of("a"))), "[3.5s 4s 5s 6s]"; got != want {
			t.Errorf("a ran at %s, want %s", got, want)
		}
		if stats.Missed != 3 {
			t.Errorf("%d ticks missed, want 3", stats.Missed)
		}
	})
}

func TestPanicInACheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := watch(t, 2500*time.Millisecond, lockstep,
			every(time.Second, "a", func(context.Context) check.Result { panic("boom") }), every(time.Second, "b", well))
		moves := slices.Sorted(slices.Values(w.moves()))
		if got, want := fmt.Sprint(moves), "[a unknown>unknown internal b unknown>ok]"; got != want {
			t.Errorf("transitions %s, want %s", got, want)
		}
		if len(w.of("a")) != 3 || len(w.of("b")) != 3 {
			t.Errorf("%d and %d results, want 3 of each", len(w.of("a")), len(w.of("b")))
		}
	})
}

// TestNoOverlap: a run that goes on beyond the next ticks, within the grace, is not joined by another one.
func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var busy atomic.Bool
		slow := func(ctx context.Context) check.Result {
			if busy.Swap(true) {
				t.Error("two runs at once")
			}
			time.Sleep(250 * time.Millisecond)
			busy.Store(false)
			return well(ctx)
		}
		w, stats := watch(t, 580*time.Millisecond, lockstep, every(100*time.Millisecond, "a", slow))
		if got, want := fmt.Sprint(since(start, w.of("a"))), "[0s 300ms]"; got != want {
			t.Errorf("ran at %s, want %s", got, want)
		}
		if stats.Missed != 4 {
			t.Errorf("%d ticks missed, want those at 100, 200, 400 and 500 ms", stats.Missed)
		}
	})
}

// TestHungCheck: a check that ignores its deadline is reported at each tick, costs no worker, and is never run twice.
func TestHungCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var begun atomic.Int32
		deaf := func(ctx context.Context) check.Result {
			if begun.Add(1) == 1 {
				<-release
			}
			return well(ctx)
		}
		opts := lockstep
		opts.Workers = 1
		w := &witness{}
		never := every(10*time.Second, "deaf", deaf)
		never.FailAfter = 2
		m := mustNew(t, []check.Check{never, every(10*time.Second, "b", well)}, opts, w)
		stop := begin(t, m)
		time.Sleep(35 * time.Second)
		if n, other := len(w.of("deaf")), len(w.of("b")); begun.Load() != 1 || n != 4 || other != 4 {
			t.Errorf("begun %d times; %d results of it and %d of the other, want 4", begun.Load(), n, other)
		}
		if s := m.States()[0]; s.Status != check.Unknown || s.Cause != check.Internal || !s.Settled() {
			t.Errorf("believed %+v, want unknown, internal", s)
		}
		close(release)
		time.Sleep(10 * time.Second)
		moves := w.moves()
		slices.Sort(moves)
		if got, want := fmt.Sprint(moves), "[b unknown>ok deaf unknown>ok deaf unknown>unknown internal]"; got != want {
			t.Errorf("transitions %s, want %s", got, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestStop: within a second, whatever the checks do; what they say while they are cut short is no result.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		polite := func(ctx context.Context) check.Result { <-ctx.Done(); return broken(ctx) }
		late := func(ctx context.Context) check.Result {
			<-ctx.Done()
			time.Sleep(300 * time.Millisecond)
			return broken(ctx)
		}
		w := &witness{}
		m := mustNew(t, []check.Check{
			every(time.Minute, "polite", polite), every(time.Minute, "late", late), every(time.Minute, "c", well),
		}, Options{}, w)
		stop := begin(t, m)
		time.Sleep(10 * time.Second)
		began := time.Now()
		if err := stop(); err != nil {
			t.Errorf("Run gave %v, want nil", err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("stopped after %s", took)
		}
		if len(w.results) != 1 || w.results[0].Check != "c" {
			t.Errorf("results %+v, want only c's", w.results)
		}
		if err := m.Run(t.Context()); err == nil {
			t.Error("a second Run gave no error")
		}
	})
}

func TestStopNamesALeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var log bytes.Buffer
		deaf := func(ctx context.Context) check.Result { <-release; return well(ctx) }
		m := mustNew(t, []check.Check{every(time.Minute, "deaf", deaf), every(time.Minute, "b", well)},
			Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		stop := begin(t, m)
		time.Sleep(time.Second)
		began := time.Now()
		err := stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("stopped after %s", took)
		}
		if err == nil || err.Error() != "checks still running after the monitor stopped: deaf" {
			t.Errorf("Run gave %v, want the check's name", err)
		}
		if !strings.Contains(log.String(), "deaf") {
			t.Errorf("the log does not name the check: %s", log.String())
		}
		close(release)
	})
}

// TestStates is the snapshot that status shows: every check, in order, also before the first result.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustNew(t, []check.Check{every(time.Second, "b", broken), every(time.Second, "a", well, "b")}, lockstep)
		before := m.States()
		if len(before) != 2 || before[0].Check != "b" || before[0].Target != "b.test" || before[0].Settled() {
			t.Errorf("before the first run: %+v", before)
		}
		if last := before[0].Last; last.Check != "b" || last.Detail != "no result yet" || !last.Time.IsZero() {
			t.Errorf("before the first run the latest result is %+v", last)
		}
		start := time.Now()
		stop := begin(t, m)
		time.Sleep(2500 * time.Millisecond)
		s := m.States()
		b := s[0]
		if b.Status != check.Fail || b.Cause != check.ConnectTimeout || !b.Since.Equal(start) || b.Consecutive() != 3 {
			t.Errorf("b: %+v", b)
		}
		if s[1].Status != check.Unknown || s[1].Settled() || s[1].Last.Status != check.Skipped {
			t.Errorf("a: %+v", s[1])
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := func(name string) check.Check { return every(time.Second, name, well) }
	noInterval, slow, noTimeout := good("i"), good("s"), good("t")
	noInterval.Interval, slow.Timeout, noTimeout.Timeout = 0, time.Second, 0
	_, err := New([]check.Check{good(""), good("a"), good("a"), noInterval, slow, noTimeout}, Options{})
	want := `check 1 of 6 has no name: give it one
two checks are named "a": names must be unique
check "i" has no interval: it must be more than 0
check "s" has a timeout of 1s: it must be more than 0 and less than its interval, 1s
check "t" has a timeout of 0s: it must be more than 0 and less than its interval, 1s`
	if err == nil || err.Error() != want {
		t.Errorf("got error\n%v\nwant\n%s", err, want)
	}
	if _, err := New([]check.Check{every(time.Second, "a", well, "b")}, Options{}); err == nil {
		t.Error("an After without a check gave no error")
	}
}
