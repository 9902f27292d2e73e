package guard

import (
	"context"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/firewall/kernel"
)

const (
	// othersEvery is how often the rules of others are looked at when no change is told of: legacy iptables, tc and XDP
	// make none that is told.
	othersEvery = 30 * time.Second
	// othersSettle is how long the guard waits after a change before it looks at the rules of others: who changes them
	// makes several commits.
	othersSettle = 100 * time.Millisecond
	// othersTimeout bounds one look at them.
	othersTimeout = 10 * time.Second
)

// others is what the rules and programs of others were last seen to do to the policy. It looks in a goroutine of its own,
// so that no repair waits for it.
type others struct {
	look func(context.Context) check.Result
	wake chan struct{} // holds a token where somebody else changed something

	mu   sync.Mutex
	last check.Result
	seen bool
}

// WatchOthers has Run ask by look, which may take a while, what the rules of others can do to the policy: at each change
// that is not the guard's own, as long as that takes no more than a tenth of the time, and every half minute. A warning or
// a failure that it tells becomes that of the guard's report where the guard's own table is right. It is to be called
// before Run, from the goroutine that calls it.
func (g *Guard) WatchOthers(look func(context.Context) check.Result) {
	g.others = &others{look: look, wake: make(chan struct{}, 1)}
}

// changed calls for a look, unless it is this process that made the change.
func (o *others) changed(c kernel.Change) {
	if o != nil && (c.Generation == 0 || !ours(c)) {
		o.again()
	}
}

// again calls for a look.
func (o *others) again() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// keep looks until the context ends.
func (o *others) keep(ctx context.Context) {
	for {
		select {
		case <-o.wake: // what it tells of is seen by this look
		default:
		}
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, othersTimeout)
		r := o.look(limited)
		cancel()
		if ctx.Err() != nil {
			return
		}
		o.store(r)
		if !o.rest(ctx, time.Since(began)) {
			return
		}
	}
}

func (o *others) store(r check.Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last, o.seen = r, true
}

// rest waits for the next look after one that took so long: a while, or until somebody changed something and it has
// settled, in a tenth of the time at most. It returns false when the context ends.
func (o *others) rest(ctx context.Context, took time.Duration) bool {
	began := time.Now()
	timer := time.NewTimer(max(othersEvery, calm*took))
	defer timer.Stop()
	for wake := o.wake; ; {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-wake:
			timer.Reset(max(othersSettle, alert*took-time.Since(began)))
			wake = nil // what comes until then is seen by that look
		}
	}
}

// beside is a result about our own table with what was last seen of others: that becomes the result where ours is right
// and theirs is not, and else stands in its evidence.
func (o *others) beside(r check.Result) check.Result {
	if o == nil {
		return r
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.seen {
		return r
	}
	if evidence, ok := r.Evidence.(Evidence); ok {
		evidence.Others = o.last.Evidence
		r.Evidence = evidence
	}
	switch {
	case r.Status != check.OK:
	case o.last.Status == check.Warn || o.last.Status == check.Fail:
		r.Status, r.Cause, r.Detail, r.Remedy = o.last.Status, o.last.Cause, o.last.Detail, o.last.Remedy
	case o.last.Status == check.Unknown:
		r.Detail += "; what others' rules do to it could not be told: " + o.last.Detail
	}
	return r
}
