package kernel

import (
	"fmt"
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

// BenchmarkApplyAgainstNft has Apply and nft -f do the same in turn: bring a table from one ruleset to another that has no
// address in common with it. Apply also looks before, reads back after and compares; nft is a process of its own each
// time. The ratio is the time of Apply in that of nft.
func BenchmarkApplyAgainstNft(b *testing.B) {
	for _, cidrs := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("cidrs=%d", cidrs), func(b *testing.B) {
			newNamespace(b)
			c := open4Test(b)
			rules := turns(b, cidrs)
			script := rules[1].Script()
			var ours, theirs time.Duration
			for b.Loop() {
				began := time.Now()
				if err := c.Apply(b.Context(), rules[0]); err != nil {
					b.Fatal(err)
				}
				between := time.Now()
				runNft(b, script, "-f", "-")
				ours, theirs = ours+between.Sub(began), theirs+time.Since(between)
			}
			b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "apply-ms/op")
			b.ReportMetric(float64(theirs.Milliseconds())/float64(b.N), "nft-ms/op")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
		})
	}
}
