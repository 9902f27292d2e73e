package kernel

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"sallyport/firewall"
)

// turns are two rulesets with so many CIDRs each.
func turns(b *testing.B, cidrs int) [2]firewall.Ruleset {
	p := wide(2 * cidrs)
	one, other := p, p
	from := p.Management[0].From
	one.Management = []firewall.Exception{p.Management[0]}
	one.Management[0].From = from[:cidrs]
	other.Management = []firewall.Exception{p.Management[0]}
	other.Management[0].From = from[cidrs:]
	return [2]firewall.Ruleset{compile(b, one), compile(b, other)}
}

// BenchmarkApplyAgainstNft has Apply and nft -f do the same in turn:
//
//   - replace: bring a table from one ruleset to another that has no address in common with it;
//   - fresh: put a ruleset in force where there is no table; deleting it in between is not measured.
//
// Apply also looks before, reads back after and compares, by a connection that lasts, as the guard's does; nft is a process
// of its own each time, as it is for who runs it. Three in four of the CIDRs are single addresses. The ratio is the median
// of how the time of Apply compares with that of nft right after it.
func BenchmarkApplyAgainstNft(b *testing.B) {
	for _, kind := range []string{"replace", "fresh"} {
		for _, cidrs := range []int{100, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/cidrs=%d", kind, cidrs), func(b *testing.B) {
				newNamespace(b)
				c := open4Test(b)
				rules := turns(b, cidrs)
				script := rules[1].Script()
				clear := func() {}
				if kind == "fresh" {
					clear = func() { runNft(b, "table inet sallyport\ndelete table inet sallyport\n", "-f", "-") }
				}
				if err := c.Apply(b.Context(), rules[0]); err != nil { // and warm up
					b.Fatal(err)
				}
				var ours, theirs, ratios []float64
				for b.Loop() {
					clear()
					one := elapsed(func() {
						if err := c.Apply(b.Context(), rules[0]); err != nil {
							b.Fatal(err)
						}
					})
					clear()
					other := elapsed(func() { runNft(b, script, "-f", "-") })
					ours, theirs, ratios = append(ours, one), append(theirs, other), append(ratios, one/other)
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(middle(ours), "apply-ms")
				b.ReportMetric(middle(theirs), "nft-ms")
				b.ReportMetric(middle(ratios), "ratio")
			})
		}
	}
}

// elapsed is how long something takes, in milliseconds.
func elapsed(f func()) float64 {
	began := time.Now()
	f()
	return float64(time.Since(began).Microseconds()) / 1000
}

// middle is the median.
func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
