package kernel

import (
	"fmt"
	"testing"

	"sallyport/firewall"
)

// The two do the same: bring a table from one ruleset to another that has no address in common with it, and back. Apply
// also looks before and reads back after; nft is a process of its own each time.

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

func BenchmarkApply(b *testing.B) {
	for _, cidrs := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("cidrs=%d", cidrs), func(b *testing.B) {
			newNamespace(b)
			c := open4Test(b)
			rules, n := turns(b, cidrs), 0
			for b.Loop() {
				if err := c.Apply(b.Context(), rules[n%2]); err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}

func BenchmarkNftF(b *testing.B) {
	for _, cidrs := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("cidrs=%d", cidrs), func(b *testing.B) {
			newNamespace(b)
			rules, n := turns(b, cidrs), 0
			scripts := [2]string{rules[0].Script(), rules[1].Script()}
			for b.Loop() {
				runNft(b, scripts[n%2], "-f", "-")
				n++
			}
		})
	}
}
