package dnssec

import (
	"sync"
	"time"
)

const (
	// maxZonesKept is how many zones a cache keeps.
	maxZonesKept = 128
	// maxKept is how long a zone is believed without asking again, whatever its records say, so that a change of keys
	// that was made in a hurry is noticed.
	maxKept = time.Hour
)

// zoneCache keeps zones whose chains were proved, until their time to live or a signature ends. It is safe for
// concurrent use; a nil cache is empty.
type zoneCache struct {
	mu    sync.Mutex
	zones map[name]*zone
}

func (c *zoneCache) get(n name, now time.Time) *zone {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	z := c.zones[n]
	if z != nil && now.After(z.until) {
		delete(c.zones, n)
		return nil
	}
	return z
}

// put keeps the zones of a run. A zone is never changed after it is made, so that runs may share it. When there is no room
// even without those whose time is over, others go: they are asked for again.
func (c *zoneCache) put(zones map[name]*zone, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, z := range zones {
		if len(c.zones) >= maxZonesKept {
			c.makeRoom(now)
		}
		if c.zones == nil {
			c.zones = make(map[name]*zone)
		}
		kept := *z
		kept.until = earlier(z.until, now.Add(maxKept))
		c.zones[n] = &kept
	}
}

func (c *zoneCache) makeRoom(now time.Time) {
	for n, z := range c.zones {
		if now.After(z.until) {
			delete(c.zones, n)
		}
	}
	for n := range c.zones {
		if len(c.zones) < maxZonesKept {
			return
		}
		delete(c.zones, n)
	}
}

// drop forgets everything.
func (c *zoneCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zones = nil
}
