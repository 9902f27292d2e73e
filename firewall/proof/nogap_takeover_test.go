package proof

import (
	"errors"
	"sync"
	"testing"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// TestNoGapOfTakeovers holds that a guard that takes a table of nobody's into its possession, by making another in its
// place, loses nothing of what is permitted. What the flood sends is in the way only: it gets in where there is no table.
func TestNoGapOfTakeovers(t *testing.T) {
	const takeovers = 20
	r := newGapRig(t)
	c, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	numbers, flood := r.newNumbers(), r.newFlood()
	var quiet sync.Mutex
	flood.also = func() error {
		quiet.Lock()
		defer quiet.Unlock()
		return numbers.send()
	}
	takeOver := func(rules firewall.Ruleset) error {
		quiet.Lock() // the first ruleset of a host is another matter
		c.SetOwnership(kernel.OwnershipWatch)
		err := errors.Join(c.Remove(t.Context()), c.Apply(t.Context(), rules))
		quiet.Unlock()
		if err != nil {
			return err
		}
		c.SetOwnership(kernel.OwnershipOwner)
		return c.Apply(t.Context(), rules)
	}
	flood.begin()
	for i := range takeovers {
		err := takeOver(gapCompile(t, i))
		if errors.Is(err, kernel.ErrUnsupported) {
			unprepared(t, "%v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	flood.result()
	sent, lost := numbers.result()
	t.Logf("of %d permitted datagrams %d lost", sent, lost)
	if lost > 0 || sent < 10*takeovers {
		t.Errorf("of %d permitted datagrams %d were lost in %d takeovers", sent, lost, takeovers)
	}
}
