package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/check"
)

// Monitor runs checks on their schedules. Its methods may be called by several goroutines at once.
type Monitor struct {
	opts  Options
	feeds []*feed
	wake  chan struct{} // something is due sooner than the loop sleeps

	workers sync.WaitGroup

	mu       sync.Mutex
	started  bool
	entries  []*entry // in the order of the configuration
	agenda   agenda
	ready    []*entry      // due, waiting for a worker or for what they depend on; first come, first served
	active   int           // runs going on, at most opts.Workers
	coalesce time.Duration // opts.Coalesce, bounded by the shortest interval
	armed    time.Time     // until when the loop sleeps
	hangs    []hang        // runs that were given up, so that they can be named when the monitor stops
	stats    Stats
}

// hang is a run that did not return in time.
type hang struct {
	check    string
	returned <-chan struct{}
}

// Stats counts what the monitor did since it was made.
type Stats struct {
	Runs   uint64 // runs that ended
	Missed uint64 // ticks at which the check's last run was still going on or waiting: too few workers, or too slow
	Hung   uint64 // runs that were given up because they ignored the end of their context
	Wakes  uint64 // times the schedule was looked at
}

// New makes a Monitor of checks, which reports to sinks. It refuses checks that cannot be scheduled, names that are not
// unique, and an After that names no check or leads in a circle; all such errors are reported at once.
func New(checks []check.Check, opts Options, sinks ...Sink) (*Monitor, error) {
	m := &Monitor{opts: opts.withDefaults(), wake: make(chan struct{}, 1)}
	for _, s := range sinks {
		m.feeds = append(m.feeds, newFeed(s, m.opts.Queue, m.opts.Logger))
	}
	if err := m.Reload(checks); err != nil {
		return nil, err
	}
	return m, nil
}

// Run runs the checks until the context ends, then stops everything and returns nil: runs get Options.Grace to return,
// then sinks as long to take what is queued. It is an error, naming them, if some did not; their goroutines are then
// lost. What runs find out while they are stopped is thrown away. Run may be called once.
func (m *Monitor) Run(ctx context.Context) error {
	if err := m.begin(time.Now()); err != nil {
		return err
	}
	for _, f := range m.feeds {
		go f.run()
	}
	m.loop(ctx)
	m.workers.Wait()
	return errors.Join(m.leaks(), stopFeeds(m.feeds, m.opts.Grace))
}

func (m *Monitor) begin(now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started {
		return errors.New("the monitor was already run: make a new one")
	}
	m.started = true
	for _, e := range m.entries {
		m.plan(e, now)
	}
	m.arrange()
	return nil
}

// loop sleeps until something is due.
func (m *Monitor) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.wake:
		}
		timer.Reset(m.turn(ctx, time.Now()))
	}
}

// leaks names the checks whose runs have still not returned.
func (m *Monitor) leaks() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetReturned()
	if len(m.hangs) == 0 {
		return nil
	}
	var names []string
	for _, h := range m.hangs {
		names = append(names, h.check)
	}
	m.opts.Logger.Error("checks ignore the end of their context", "checks", names)
	return fmt.Errorf("checks still running after the monitor stopped: %s", strings.Join(names, ", "))
}

func (m *Monitor) forgetReturned() {
	m.hangs = slices.DeleteFunc(m.hangs, func(h hang) bool {
		select {
		case <-h.returned:
			return true
		default:
			return false
		}
	})
}

// States is what is believed of every check now, in the order of the configuration.
func (m *Monitor) States() []State {
	m.mu.Lock()
	defer m.mu.Unlock()
	states := make([]State, len(m.entries))
	for i, e := range m.entries {
		states[i] = e.state
	}
	return states
}

// Stats is what was done so far.
func (m *Monitor) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// Dropped is what each sink has missed so far, in the order in which they were given to New.
func (m *Monitor) Dropped() []Drop {
	drops := make([]Drop, len(m.feeds))
	for i, f := range m.feeds {
		drops[i] = Drop{Sink: f.name, Results: f.results.Load(), Transitions: f.transitions.Load()}
	}
	return drops
}
