package monitor

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"sallyport/check"
)

// BenchmarkScheduler runs 500 checks that do nothing, ten times a second each, for as long as it takes to have b.N runs,
// and reports the processor time that a run costs besides the check itself. The window of coalescing is what is
// compared.
func BenchmarkScheduler(b *testing.B) {
	for _, window := range []time.Duration{-1, 0} {
		name := "coalesced"
		if window < 0 {
			name = "each alone"
		}
		b.Run(name, func(b *testing.B) { benchmarkScheduler(b, window) })
	}
}

func benchmarkScheduler(b *testing.B, window time.Duration) {
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan struct{}, 1<<16)
	run := func(context.Context) check.Result {
		select {
		case done <- struct{}{}:
		default:
		}
		return check.Result{Status: check.OK}
	}
	var checks []check.Check
	for i := range 500 {
		checks = append(checks, every(100*time.Millisecond, fmt.Sprint(i), run))
	}
	m, err := New(checks, Options{Coalesce: window})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := processorTime(b)
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	for range b.N {
		<-done
	}
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	runs := float64(m.Stats().Runs)
	b.ReportMetric(float64((processorTime(b)-before).Nanoseconds())/runs, "cpu-ns/run")
	b.ReportMetric(float64(m.Stats().Wakes)/runs, "wakes/run")
}

// processorTime is what the process has used so far, its own and the kernel's for it.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkAdvance is the state machine alone.
func BenchmarkAdvance(b *testing.B) {
	c := check.Check{Name: "c", FailAfter: 2, RecoverAfter: 1}
	r := check.Result{Status: check.OK, Time: time.Unix(1, 0)}
	var s State
	for b.Loop() {
		s, _ = Advance(s, c, r)
	}
}
