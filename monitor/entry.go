package monitor

import (
	"context"
	"time"

	"sallyport/check"
)

// entry is one check with what is believed of it and when it is due. Everything in it is guarded by Monitor.mu.
type entry struct {
	check check.Check
	state State

	upstream   []*entry      // everything it depends on, at any distance, what comes first first
	downstream []*entry      // everything that depends on it
	group      uint64        // the same for all that are connected: they share their jitter, so that they are due at once
	beat       time.Duration // the shortest interval of the group

	base    time.Time // the next tick before jitter
	tick    time.Time // the next run at its own interval
	confirm time.Time // the next run beside the interval; zero if none is wanted
	fresh   bool      // the grid of ticks was not moved to its random place yet
	index   int       // in the agenda; -1: not there
	heard   time.Time // external checks: when there was word last, or when the wait for it began

	waiting bool               // due, but not begun
	running bool               // begun, and neither returned nor given up
	cancel  context.CancelFunc // of the run; nil when there is none
	hung    <-chan struct{}    // of a run that was given up: closed when it returns after all
	began   time.Time          // when that run began
	gone    bool               // a reload took it out: what its run still gives is thrown away
	retry   *confirmation
}

func newEntry(c check.Check) *entry {
	nothing := c.Complete(check.Result{Detail: "no result yet"}, time.Time{}, 0)
	return &entry{
		check: c, state: State{Check: c.Name, Kind: c.Kind, Target: c.Target, Last: nothing},
		index: -1, retry: newConfirmation(c.Interval),
	}
}

// external says that the check's results come from outside, by Observe.
func (e *entry) external() bool { return e.check.Run == nil }

// same says whether c is the check that the entry already holds: its state then outlives a reload. Functions cannot be
// compared, so it is the name, the kind and the target that count.
func (e *entry) same(c check.Check) bool {
	return e.check.Name == c.Name && e.check.Kind == c.Kind && e.check.Target == c.Target && e.external() == (c.Run == nil)
}

// at is when the entry is due next.
func (e *entry) at() time.Time {
	if !e.confirm.IsZero() && e.confirm.Before(e.tick) {
		return e.confirm
	}
	return e.tick
}

// held says that something it depends on is due or running: its result decides whether this one is worth a run.
func (e *entry) held() bool {
	for _, u := range e.upstream {
		if u.waiting || u.running {
			return true
		}
	}
	return false
}

// blocker is the first of what it depends on that fails; nil if none does.
func (e *entry) blocker() *entry {
	for _, u := range e.upstream {
		if u.state.blocks() {
			return u
		}
	}
	return nil
}

// hangs says whether a run that was given up has still not returned.
func (e *entry) hangs() bool {
	if e.hung == nil {
		return false
	}
	select {
	case <-e.hung:
		e.hung = nil
		return false
	default:
		return true
	}
}

// agenda is a heap of entries, the one that is due first on top (container/heap).
type agenda []*entry

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].at().Before(a[j].at()) }
func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push is for container/heap.
func (a *agenda) Push(x any) {
	e := x.(*entry)
	e.index = len(*a)
	*a = append(*a, e)
}

// Pop is for container/heap.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	e.index = -1
	return e
}
