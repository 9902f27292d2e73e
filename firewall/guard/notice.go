package guard

import (
	"sync"
	"time"

	"sallyport/firewall/kernel"
)

// maxNoticed bounds the changes that are remembered until the next look: enough to name who did it.
const maxNoticed = 16

// noticed is a change that was told of, and by whom it was made.
type noticed struct {
	change kernel.Change
	author Author
	known  bool // that is who it was, as far as can be told, and not only what the kernel named
	at     time.Time
}

// notices are the changes that no look has covered yet. A change is covered by a look that read its generation or a later
// one, whoever made it: that is how the guard's own changes call for no look. They cannot be told by their process, since
// what the kernel names is a thread.
type notices struct {
	wake chan struct{} // holds a token where something was added

	mu      sync.Mutex
	covered uint32 // the generation that was looked at last; 0 before any
	newest  uint32 // the latest generation that was told of; 0 before any
	missed  bool   // changes were missed, so that no generation says what to look for
	list    []*noticed
}

func newNotices() *notices { return &notices{wake: make(chan struct{}, 1)} }

// later says whether generation a came after b. They wrap around (nf_tables_commit, kernel 6.18).
func later(a, b uint32) bool { return b == 0 || int32(a-b) > 0 }

// add takes a change, calls for a look, and only then looks up the author, which may end any moment: the look is urgent,
// and the author is wanted no sooner than after it.
func (n *notices) add(change kernel.Change) {
	if change.Generation != 0 && ours(change) {
		return // and covered by its look; from a repair that failed, looking again because of it could go on for ever
	}
	entry := n.remember(change)
	select {
	case n.wake <- struct{}{}:
	default:
	}
	if entry == nil {
		return
	}
	author := authorOf(procfs, change)
	n.mu.Lock()
	defer n.mu.Unlock()
	entry.author, entry.known = author, true
}

// remember keeps a change until a look covers it. It returns nil for one that has no author, or no room.
func (n *notices) remember(change kernel.Change) *noticed {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case change.Generation == 0:
		n.missed = true
		return nil
	case !later(change.Generation, n.covered):
		return nil
	}
	n.newest = change.Generation
	if len(n.list) == maxNoticed {
		return nil
	}
	entry := &noticed{change: change, author: unresolved(change), at: time.Now()}
	n.list = append(n.list, entry)
	return entry
}

// due says whether there are changes that no look has covered. That some were missed is forgotten by it: whoever asks
// looks next.
func (n *notices) due() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	missed := n.missed
	n.missed = false
	return missed || n.newest != 0 && later(n.newest, n.covered)
}

// upTo are the changes that led to a generation. An author that is just being looked up is looked up here too: a look that
// finds the table put back already may be sooner.
func (n *notices) upTo(generation uint32) []noticed {
	var led []noticed
	n.mu.Lock()
	for _, c := range n.list {
		if !later(c.change.Generation, generation) {
			led = append(led, *c)
		}
	}
	n.mu.Unlock()
	for i := range led {
		if c := &led[i]; !c.known {
			c.author, c.known = authorOf(procfs, c.change), true
		}
	}
	return led
}

// cover forgets the changes up to a generation that was looked at. Looks cover in the order of their generations.
func (n *notices) cover(generation uint32) {
	if generation == 0 {
		return // nothing was read
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.covered = generation
	kept := n.list[:0]
	for _, c := range n.list {
		if later(c.change.Generation, generation) {
			kept = append(kept, c)
		}
	}
	n.list = kept
}
