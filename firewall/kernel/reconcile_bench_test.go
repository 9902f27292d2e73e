package kernel

import (
	"fmt"
	"testing"
)

// BenchmarkReconcile is what a guard does when nothing has changed: the table is read whole, brought to its normal form
// and compared with the golden dump.
func BenchmarkReconcile(b *testing.B) {
	for _, cidrs := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("cidrs=%d", cidrs), func(b *testing.B) {
			newNamespace(b)
			c := open4Test(b)
			golden, err := c.ApplyRehearsed(b.Context(), compile(b, wide(cidrs)))
			if err != nil {
				b.Fatal(err)
			}
			var took []float64
			for b.Loop() {
				took = append(took, elapsed(func() {
					if dump, err := c.Dump(b.Context()); err != nil || !dump.Equal(golden) {
						b.Fatal(err, dump.Equal(golden))
					}
				}))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(middle(took), "ms")
		})
	}
}
