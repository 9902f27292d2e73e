package integration_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"slices"
	"syscall"
	"testing"
	"time"
)

// What is compared takes turns, so that whatever slows the machine down for a while slows everybody down.
const (
	benchRounds = 24                    // of each contender, an even number: the order is turned round each time
	benchTurn   = 50 * time.Millisecond // about how long one turn lasts
	benchLimit  = 5 * time.Second       // of one run of a contender, as the configuration's default timeout
)

// contender is one way of doing what a check does.
type contender struct {
	metric string // the name of its processor time
	run    func(context.Context) error
}

// rounds is the processor time of one run of each contender, round by round.
type rounds [][]float64

// compete has the contenders run by turns and reports the median of their processor times, in microseconds.
//
// The time is that of this process, the kernel's work for it included; the servers are another process. A profile
// (-cpuprofile) tells the contenders apart: go tool pprof -tagfocus contender=cpu-µs/op.
func compete(b *testing.B, contenders ...contender) rounds {
	b.Helper()
	times := make(rounds, len(contenders))
	turns := make([]int, len(contenders))
	for i, c := range contenders {
		turns[i] = runsPerTurn(b, c)
	}
	order := make([]int, len(contenders))
	for i := range order {
		order[i] = i
	}
	for b.Loop() {
		for range benchRounds {
			slices.Reverse(order)
			for _, i := range order {
				times[i] = append(times[i], turn(b, contenders[i], turns[i]))
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	for i, c := range contenders {
		b.ReportMetric(median(times[i]), c.metric)
	}
	return times
}

// runsPerTurn finds out how many runs make up a turn; it also warms up. The first run, in which what is kept afterwards is
// made, tells nothing of the others.
func runsPerTurn(b *testing.B, c contender) int {
	b.Helper()
	turn(b, c, 1)
	n := 0
	for began := time.Now(); time.Since(began) < benchTurn; n++ {
		turn(b, c, 1)
	}
	return n
}

// turn is the processor time of one run among n in a row, in microseconds. Each turn starts without another's garbage.
func turn(b *testing.B, c contender, n int) (cost float64) {
	b.Helper()
	if n > 1 {
		runtime.GC()
	}
	pprof.Do(b.Context(), pprof.Labels("contender", c.metric), func(ctx context.Context) {
		before := processorTime(b)
		for range n {
			one, cancel := context.WithTimeout(ctx, benchLimit)
			err := c.run(one)
			cancel()
			if err != nil {
				b.Fatalf("%s: %v", c.metric, err)
			}
		}
		cost = float64((processorTime(b) - before).Nanoseconds()) / 1000 / float64(n)
	})
	return cost
}

// ratio is the median of how one contender's time compares with another's in the same round.
func (r rounds) ratio(one, other int) float64 {
	ratios := make([]float64, len(r[one]))
	for i := range ratios {
		ratios[i] = r[one][i] / r[other][i]
	}
	return median(ratios)
}

// median is the middle one, the mean of both where there are two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
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
