package guard

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"sallyport/firewall/kernel"
)

const (
	// tallyEvery is how often the tallies of the kernel are read: who knocked is not urgent, and a full one is some thousand
	// elements. tallyShare bounds the part of the guard's time that it takes, to a fiftieth.
	tallyEvery = 5 * time.Second
	tallyShare = 50
	// tallyTop is how many are told of each tally, those with the most packets.
	tallyTop = 100
)

// Tallies are who knocked and where the host wanted to go, as the kernel has counted them within the last hour.
type Tallies struct {
	At time.Time // when they were read; zero where they never were

	Knocks                 []kernel.Knock // who knocked, the most packets first, the first hundred
	KnockingV4, KnockingV6 int            // how many addresses knocked

	Refused      []kernel.Refusal // where the host wanted to go and may not, likewise
	RefusedCount int              // how many there are

	Barred []RefusedAddress // addresses of names that are not let out

	next time.Time // when to read them again
}

// tally is the tallies, read again where that is due. What cannot be read stays as it was, with its time.
func (g *Guard) tally(ctx context.Context, now time.Time) Tallies {
	g.tallies.Barred = g.names.barred()
	if now.Before(g.tallies.next) || ctx.Err() != nil {
		return g.tallies
	}
	knocks, err := g.live.Knocks(ctx)
	var refused []kernel.Refusal
	if err == nil {
		refused, err = g.live.Refused(ctx)
	}
	g.tallies.next = time.Now().Add(max(tallyEvery, tallyShare*time.Since(now)))
	if err == nil {
		g.tallies.take(knocks, refused, now)
	}
	return g.tallies
}

// take keeps the first of each, and counts the rest.
func (t *Tallies) take(knocks []kernel.Knock, refused []kernel.Refusal, now time.Time) {
	seen := make(map[netip.Addr]bool, len(knocks))
	t.KnockingV4, t.KnockingV6 = 0, 0
	for _, k := range knocks {
		switch {
		case seen[k.From]:
		case k.From.Is4():
			t.KnockingV4++
		default:
			t.KnockingV6++
		}
		seen[k.From] = true
	}
	t.At, t.RefusedCount = now, len(refused)
	t.Knocks = slices.Clone(knocks[:min(len(knocks), tallyTop)])
	t.Refused = slices.Clone(refused[:min(len(refused), tallyTop)])
}

// barred is the addresses of names that the latest answers had and that are not let out, in order, the first hundred.
func (n *names) barred() []RefusedAddress {
	var all []RefusedAddress
	for name, addrs := range n.refused {
		for addr, why := range addrs {
			all = append(all, RefusedAddress{Name: name, Addr: addr, Why: why})
		}
	}
	slices.SortFunc(all, compareRefused)
	return all[:min(len(all), tallyTop)]
}
