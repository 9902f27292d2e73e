package integration_test

import (
	"testing"
	"time"
)

// BenchmarkLast reports the time from exec to the end of `sallyport apply --last` on a host without a ruleset, as an early
// boot has to wait for it; the median.
func BenchmarkLast(b *testing.B) {
	h := newHome(b, time.Second)
	if got, err := h.Command(b.Context(), "apply", "--now"); err != nil || got.Code != 0 {
		b.Fatal(got, err)
	}
	var took []float64
	for b.Loop() {
		for range benchStarts {
			h.bare()
			began := time.Now()
			got, err := h.Command(b.Context(), "apply", "--last")
			if err != nil || got.Code != 0 {
				b.Fatal(got, err)
			}
			took = append(took, float64(time.Since(began).Microseconds())/1000)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(took), "last-ms")
}
