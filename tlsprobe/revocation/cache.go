package revocation

import (
	"context"
	"errors"
	"sync"
	"time"

	"sallyport/tlsprobe/fetch"
)

// How long an answer is believed before its source is asked again, and a failure before it is tried again. An answer that
// cannot be had anew is believed as long as it says.
const (
	minRefresh = time.Minute
	maxRefresh = time.Hour // a revocation is seen within it
	minRetry   = time.Minute
	maxRetry   = 5 * time.Minute // after some failures in a row
)

// Bounds on what is remembered.
const (
	maxSlots      = 1024
	maxCacheBytes = 16 << 20
)

// errHeld is a question that was not asked.
var errHeld = errors.New("the run has no time left for the question")

// cache remembers what sources answered, and that they did not. Each question is asked by one at a time; others wait for
// the answer.
type cache[V any] struct {
	size func(V) int // bytes of a value; nil: not counted

	mu    sync.Mutex
	slots map[string]*slot[V]
	bytes int
}

// slot is what is known of one question. Its turn is who asks; the rest is guarded by the cache.
type slot[V any] struct {
	turn    chan struct{}
	value   V
	refresh time.Time // until when the value is believed without asking; zero: there is none
	until   time.Time // until when it is believed at all
	failure error     // of the last question; nil: it was answered
	retry   time.Time // until when it is not asked again
	failed  int       // in a row
	size    int
}

// peek is what is known of a question at now, without asking, and whether it is due to be asked anew.
func (c *cache[V]) peek(key string, now time.Time) (value V, due bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.slots[key]
	if !ok {
		return value, true, errHeld
	}
	due = !now.Before(s.refresh) && !now.Before(s.retry)
	switch {
	case now.Before(s.until):
		return s.value, due, nil
	case now.Before(s.retry):
		return value, due, s.failure
	default:
		return value, due, errHeld
	}
}

// get is what is known of a question, or what ask answers to it, with until when that is believed.
func (c *cache[V]) get(ctx context.Context, key string, ask func(context.Context) (V, time.Time, error)) (V, error) {
	s := c.slot(key)
	if value, err, known := c.known(s, time.Now()); known {
		return value, err
	}
	var none V
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return none, errHeld
	}
	defer func() { <-s.turn }()
	if value, err, known := c.known(s, time.Now()); known {
		return value, err
	}
	value, until, err := ask(ctx)
	return c.note(key, s, value, until, err)
}

// slot is the slot of a question. Where there are too many, any other is forgotten.
func (c *cache[V]) slot(key string) *slot[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.slots[key]
	if ok {
		return s
	}
	if c.slots == nil {
		c.slots = map[string]*slot[V]{}
	}
	c.shrink(maxSlots-1, maxCacheBytes)
	s = &slot[V]{turn: make(chan struct{}, 1)}
	c.slots[key] = s
	return s
}

func (c *cache[V]) shrink(slots, bytes int) {
	for key, s := range c.slots {
		if len(c.slots) <= slots && c.bytes <= bytes {
			return
		}
		c.bytes -= s.size
		delete(c.slots, key)
	}
}

// known says whether a question need not be asked, and what is known then.
func (c *cache[V]) known(s *slot[V], now time.Time) (V, error, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var none V
	switch {
	case now.Before(s.refresh):
		return s.value, nil, true
	case !now.Before(s.retry):
		return none, nil, false
	case now.Before(s.until):
		return s.value, nil, true
	default:
		return none, s.failure, true
	}
}

// note keeps what came of a question. A failure of this host's own making is not kept.
func (c *cache[V]) note(key string, s *slot[V], value V, until time.Time, err error) (V, error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		s.value, s.until, s.failure, s.failed, s.retry = value, until, nil, 0, time.Time{}
		s.refresh = now.Add(min(max(until.Sub(now), minRefresh), maxRefresh))
		c.weigh(key, s)
		return value, nil
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, fetch.ErrSpent) && !errors.Is(err, errHeld) {
		s.failure = err
		s.retry = now.Add(min(minRetry<<min(s.failed, 8), maxRetry))
		s.failed++
	}
	if now.Before(s.until) {
		return s.value, nil
	}
	return value, err
}

// weigh counts the bytes of a new value, and makes room for it. A slot that was forgotten meanwhile does not count.
func (c *cache[V]) weigh(key string, s *slot[V]) {
	if c.size == nil || c.slots[key] != s {
		return
	}
	c.bytes -= s.size
	s.size = 0
	size := c.size(s.value)
	c.shrink(maxSlots, maxCacheBytes-size)
	c.slots[key], s.size = s, size
	c.bytes += size
}
