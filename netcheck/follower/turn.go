package follower

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Run resolves and tells until the context ends.
func (f *Follower) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	once := sync.OnceFunc(func() { close(f.tried) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-timer.C:
		}
		if ctx.Err() != nil {
			return nil
		}
		f.turn(ctx)
		if f.triedAll() {
			once()
		}
		timer.Reset(f.untilDue())
	}
}

// turn tells what was forgotten, resolves what is due, and tells that.
func (f *Follower) turn(ctx context.Context) {
	f.mu.Lock()
	again := f.retell
	f.retell = false
	due := f.dueNames(time.Now())
	f.mu.Unlock()
	if again {
		if err := f.tell(ctx, f.known(), false); err != nil {
			f.putOff()
			return
		}
	}
	f.resolve(ctx, due)
}

// putOff has everything told again later, because nobody could be told now.
func (f *Follower) putOff() {
	f.mu.Lock()
	f.retell = true
	all := slices.Collect(maps.Keys(f.names))
	f.mu.Unlock()
	f.failed(all)
}

func (f *Follower) dueNames(now time.Time) []string {
	var due []string
	for name, n := range f.names {
		if !now.Before(n.due) {
			due = append(due, name)
		}
	}
	slices.Sort(due)
	return due
}

// resolve resolves names, some at a time, and tells each as soon as it is known.
func (f *Follower) resolve(ctx context.Context, due []string) {
	next := make(chan string, len(due))
	for _, name := range due {
		next <- name
	}
	close(next)
	var workers sync.WaitGroup
	for range min(maxFollowing, len(due)) {
		workers.Go(func() {
			for name := range next {
				f.follow(ctx, name)
			}
		})
	}
	workers.Wait()
}

// follow resolves one name and tells where it leads; where it cannot be resolved, where it led.
func (f *Follower) follow(ctx context.Context, name string) {
	lookup, cancel := context.WithTimeout(ctx, nameTimeout)
	answer, err := f.lookup(lookup, name)
	cancel()
	if err != nil {
		_ = f.tell(ctx, f.stale(name), false) // the name is tried again in any case
		f.failed([]string{name})
		return
	}
	if f.tell(ctx, []Telling{{Name: name, Addresses: answer.Addresses}}, true) != nil {
		f.failed([]string{name})
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.names[name]; n != nil {
		n.failures, n.due = 0, time.Now().Add(min(max(answer.Fresh, soonest), latest))
	}
}

// failed puts names off, longer each time.
func (f *Follower) failed(names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range names {
		if n := f.names[name]; n != nil {
			n.failures++
			n.due = time.Now().Add(min(retryFirst<<min(n.failures-1, 10), retryLongest))
		}
	}
}

// triedAll says whether each name was resolved, or could not be.
func (f *Follower) triedAll() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.names {
		if n.due.IsZero() {
			return false
		}
	}
	return true
}

// untilDue is how long to wait until a name is due.
func (f *Follower) untilDue() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	wait := latest
	for _, n := range f.names {
		wait = min(wait, time.Until(n.due))
	}
	return max(wait, 0)
}
