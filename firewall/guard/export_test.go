package guard

import "sallyport/firewall"

// BeganLongAgo ends the time for which what an earlier guard learned is left alone.
func (g *Guard) BeganLongAgo() {
	for _, held := range g.names.adopted {
		for addr := range held {
			held[addr] = g.right
		}
	}
}

// Admitting are the policies that say who may be connected.
func (g *Guard) Admitting() []firewall.Policy { return g.policies }
