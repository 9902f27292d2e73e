package netcheck

import (
	"context"
	"sync"
	"time"

	"sallyport/check"
)

const (
	// clearedFor is for how long nobody on this host is asked again about an address whose connections do not end here.
	clearedFor = 10 * time.Minute
	// blockedFor is the same where they do: it is less, so that the mend is noticed also where the server fails then.
	blockedFor = time.Minute
	// maxBlocks bounds the flights of one check that are remembered.
	maxBlocks = 256
)

// blocks remembers for a check what was found out about its addresses, for as long as they fail in the same way.
type blocks struct {
	ask Blocked

	mu    sync.Mutex
	known map[Flight]block
}

// block is what was found out about an address.
type block struct {
	cause   check.Cause // that the attempt alone had
	blocker *Blocker    // nil: nobody here
	until   time.Time
}

// newBlocks is nil where nobody can be asked.
func newBlocks(ask Blocked) *blocks {
	if ask == nil {
		return nil
	}
	return &blocks{ask: ask, known: make(map[Flight]block)}
}

// knows says that nobody will be asked about the address.
func (b *blocks) knows(flight Flight) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	known, ok := b.known[flight]
	return ok && time.Now().Before(known.until)
}

// forget ends what is known of an address that was reached.
func (b *blocks) forget(flight Flight) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, flight)
}

// find is who on this host ends the connections to an address, which fail by a cause; nil: nobody, or it cannot be told.
func (b *blocks) find(
	ctx context.Context, flight Flight, cause check.Cause, again func(context.Context) error,
) *Blocker {
	b.mu.Lock()
	known, ok := b.known[flight]
	b.mu.Unlock()
	if ok && known.cause == cause && time.Now().Before(known.until) {
		return known.blocker
	}
	blocker, err := b.ask(ctx, flight, again)
	if err != nil {
		return nil
	}
	known = block{cause: cause, blocker: blocker, until: time.Now().Add(clearedFor)}
	if blocker != nil {
		known.until = time.Now().Add(blockedFor)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.known) >= maxBlocks {
		clear(b.known)
	}
	b.known[flight] = known
	return blocker
}
