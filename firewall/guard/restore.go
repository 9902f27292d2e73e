package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/firewall/kernel"
)

// restoring is how long a look waits for a sentry that is putting the table back: it may have to wait for the end of a
// grace period, some ten milliseconds, and longer where the machine is busy.
const restoring = 50 * time.Millisecond

// restorations are what the sentries have done and no look has told of yet.
type restorations struct {
	done chan struct{} // holds a token where something was added

	mu    sync.Mutex
	last  kernel.Restoration
	count int
}

func newRestorations() restorations { return restorations{done: make(chan struct{}, 1)} }

func (r *restorations) add(restored kernel.Restoration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last, r.count = restored, r.count+1
	select {
	case r.done <- struct{}{}:
	default:
	}
}

// take returns the latest and how many there were, and forgets them.
func (r *restorations) take() (kernel.Restoration, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, count := r.last, r.count
	r.last, r.count = kernel.Restoration{}, 0
	select {
	case <-r.done:
	default:
	}
	return last, count
}

// arm has the sentries put back what is kept in force now. They are of no use while nobody else can delete the table.
func (g *Guard) arm() {
	if g.sentries == nil {
		return
	}
	wanted := &g.want
	if !g.enforce || g.none || g.golden.Owned() {
		wanted = nil
	}
	if err := g.sentries.Arm(wanted); err != nil {
		g.log.Warn("a table that is deleted will be put back more slowly", "err", err)
	}
}

// stand has the sentries stand until the context ends.
func (g *Guard) stand(ctx context.Context, standing *sync.WaitGroup) {
	sentries, err := g.live.Sentries()
	if err != nil {
		g.log.Warn("a table that is deleted will be put back more slowly", "err", err)
	}
	if sentries == nil {
		return
	}
	if g.take(ctx) != nil {
		_ = sentries.Close() // they have not stood yet
		return
	}
	defer g.give()
	g.sentries = sentries
	g.arm()
	may := func() bool { return g.spare.rest(time.Now()) == 0 }
	restored := func(r kernel.Restoration) {
		g.spare.spend(r.Done.Sub(r.Heard), r.Done)
		g.restored.add(r)
		g.news.call()
	}
	standing.Go(func() {
		if err := sentries.Run(ctx, may, restored); err != nil {
			g.log.Warn("a table that is deleted will be put back more slowly", "err", err)
		}
		g.turn <- struct{}{} // waits for a look or a change, which end
		defer g.give()
		g.sentries = nil
		_ = sentries.Close() // nothing was written that could be lost
	})
}

// see looks at the live table. What a sentry is just putting back may be seen half done: the kernel raises the generation
// before it has set the policies of new chains (nf_tables_commit, kernel 6.18), so that what looks drifted is looked at
// twice.
func (g *Guard) see(ctx context.Context) (kernel.Dump, look) {
	dump, err := g.dump(ctx)
	seen := compare(g.want, g.golden, dump, err)
	if err == nil && !seen.exact && g.sentries != nil && g.sentries.Armed() {
		dump, err = g.dump(ctx)
		seen = compare(g.want, g.golden, dump, err)
	}
	return dump, seen
}

// dump reads the live table. One that is gone is waited for, where a sentry is putting it back.
func (g *Guard) dump(ctx context.Context) (kernel.Dump, error) {
	dump, err := g.live.Dump(ctx)
	if !errors.Is(err, kernel.ErrNoTable) || g.sentries == nil || !g.sentries.Armed() || g.spare.rest(time.Now()) > 0 {
		return dump, err
	}
	timer := time.NewTimer(restoring)
	defer timer.Stop()
	for late := false; !late && errors.Is(err, kernel.ErrNoTable); {
		select {
		case <-g.restored.done: // this one, or one before
		case <-timer.C:
			late = true
		case <-ctx.Done():
			late = true
		}
		dump, err = g.live.Dump(ctx)
	}
	return dump, err
}

// well is the result of a look that found all well. What the sentries have put back holds no addresses of names yet: they
// are told again.
func (g *Guard) well(ctx context.Context, live kernel.Dump, seen check.Result, began time.Time) check.Result {
	result, count := g.putBack(ctx, live, seen)
	g.right, g.blame = began, blame{}
	switch {
	case count == 0 && g.enforce:
		return g.keepNames(ctx, live, seen, began)
	case count == 0:
		return seen
	}
	if mend := g.names.astray(live.Learned(), began); len(mend) > 0 {
		if err := g.live.Learn(ctx, mend); err != nil {
			return g.failed(ctx, result, err, began)
		}
		g.names.wrote(mend, began)
	}
	return result
}

// putBack is the result of a look that found all well, where a sentry has put the table back before it: a repair. It
// returns how many there were.
func (g *Guard) putBack(ctx context.Context, live kernel.Dump, well check.Result) (check.Result, int) {
	last, count := g.restored.take()
	if count == 0 {
		return well, 0
	}
	g.repairs.Add(uint64(count))
	for range min(count, contention) {
		g.tried(last.Done)
	}
	g.blame.accuse(g.news.upTo(last.After.Generation), g.right, g.heldUp)
	if g.blame.author == nil && last.After.Generation != 0 { // the sentry has heard of it before the notices
		g.blame.author = new(authorOf(procfs, last.After))
	}
	if !g.heldUp || g.blame.since.IsZero() {
		g.blame.since, g.blame.told = heard(g.news.upTo(last.After.Generation), last), true
	}
	exposed := last.Done.Sub(g.blame.since)
	found := judge(look{missing: true})
	found.Evidence = Evidence{Hash: fmt.Sprintf("%x", live.Hash())}
	found = g.blame.on(found, exposed)
	g.logRepair(ctx, slog.LevelWarn, "repaired the live ruleset", last.Done, found)
	return repairedResult(found, g.blame.after(exposed), g.repaired), count
}

// heard is when the change that took the table away was first heard of.
func heard(led []noticed, r kernel.Restoration) time.Time {
	for _, c := range led {
		if c.change.Generation == r.After.Generation && c.at.Before(r.Heard) {
			return c.at
		}
	}
	return r.Heard
}
