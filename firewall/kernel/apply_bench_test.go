package kernel

import (
	"fmt"
	"testing"
)

// The two do the same with the same ruleset: bring a table that holds it already to it once more. Apply also looks before
// and reads back after; nft is a process of its own each time.

func BenchmarkApply(b *testing.B) {
	for _, cidrs := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("cidrs=%d", cidrs), func(b *testing.B) {
			newNamespace(b)
			c := open4Test(b)
			rules := compile(b, wide(cidrs))
			for b.Loop() {
				if err := c.Apply(b.Context(), rules); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNftF(b *testing.B) {
	for _, cidrs := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("cidrs=%d", cidrs), func(b *testing.B) {
			newNamespace(b)
			script := compile(b, wide(cidrs)).Script()
			for b.Loop() {
				runNft(b, script, "-f", "-")
			}
		})
	}
}
