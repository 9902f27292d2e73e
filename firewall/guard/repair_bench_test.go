package guard_test

import (
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkRepair measures for how long the host is open at each of 200 flushes by an nft that ends at once, in watch
// mode: as the guard says, and as a third party hears it, whichever is longer. Between two flushes is the time that a
// guard which sees no fight has saved up for the next.
func BenchmarkRepair(b *testing.B) {
	for name, hogs := range map[string]int{"idle": 0, "busy": runtime.NumCPU()} {
		b.Run(name, func(b *testing.B) {
			for range hogs {
				hog := exec.CommandContext(b.Context(), "sh", "-c", "while :; do :; done")
				if err := hog.Start(); err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { _ = hog.Wait() }) // killed by the context
			}
			flush := ending(b)
			open := openTimes(b, inForce(b), 200, func() { // however large b.N is: this is no mean
				<-time.After(50 * time.Millisecond)
				flush()
			})
			slices.Sort(open)
			b.ReportMetric(float64(open[len(open)/2].Microseconds())/1000, "median-ms")
			b.ReportMetric(float64(open[len(open)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(open[len(open)-1].Microseconds())/1000, "max-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}
