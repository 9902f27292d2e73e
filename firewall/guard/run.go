package guard

import (
	"context"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/firewall/kernel"
)

// Run looks at the live table until the context ends: at once when the kernel tells of a change of the namespace's
// ruleset, as long as that takes no more than a tenth of the time, and by itself besides. It repairs the table if the
// guard enforces, and tells of each look, save that a change which did no harm is not told of before its turn: what was
// told of a repair stands for a while. Where the kernel tells of no changes, or no more, that is logged, the guard goes on
// by looking, and tries again to be told. It is to be called once, on a thread in the namespace of the kernel's side, and
// returns nil.
func (g *Guard) Run(ctx context.Context, tell func(Report)) error {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	if g.others != nil {
		watching.Go(func() { g.others.keep(ctx) })
	}
	g.stand(ctx, &watching)
	g.keep(ctx, newEar(g, &watching), tell)
	return nil
}

// heard takes a change that the kernel tells of.
func (g *Guard) heard(c kernel.Change) {
	g.news.add(c)
	g.others.changed(c)
}

// keep looks, tells and rests until the context ends.
func (g *Guard) keep(ctx context.Context, hear *ear, tell func(Report)) {
	var told time.Time
	for {
		hear.open(ctx, time.Now())
		report := g.Look(ctx)
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		g.spare.spend(report.Result.Duration, now)
		if report.Result.Status != check.OK || now.Sub(told) >= interval {
			tell(report)
			told = time.Now()
		}
		while := untilNextOf(report)
		if g.news.due() { // it came during the look, or the look could not read
			while = max(g.spare.rest(time.Now()), retryAfter(report.Result))
		}
		if !g.rest(ctx, while, g.spare) {
			return
		}
	}
}

// retryAfter is how long the guard rests at least before it looks again because of a change.
func retryAfter(r check.Result) time.Duration {
	if r.Status == check.Unknown {
		return unreadable
	}
	return 0
}

// rest waits until it is time for the next look: after a while, or soon where there was a change. It returns false when
// the context ends.
func (g *Guard) rest(ctx context.Context, while time.Duration, spare *allowance) bool {
	timer := time.NewTimer(while)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-g.news.wake:
			if g.news.due() {
				timer.Reset(spare.rest(time.Now()))
			}
		}
	}
}

// untilNext is how long the guard rests after a look.
func untilNext(r check.Result) time.Duration {
	share := alert
	if r.Status == check.OK {
		share = calm
	}
	return min(max(interval, time.Duration(share)*r.Duration), maxInterval)
}
