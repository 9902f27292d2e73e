package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/monitor"
	"sallyport/report/history"
	"sallyport/report/metrics"
)

// sinks are all the places where the prober reports, as one sink. A reload starts those that are new and ends those that
// are gone; the others do not notice it.
type sinks struct {
	log     *slog.Logger
	metrics *metrics.Metrics
	running sync.WaitGroup

	mu      sync.RWMutex
	ctx     context.Context // the life of the prober, which that of each output is a part of
	outputs map[string]*output
}

// output is one place to report to.
type output struct {
	key     string                      // what the configuration says of it: the same key is the same output
	sink    monitor.Sink                // nil where it is fed by the metrics
	run     func(context.Context) error // until its context ends
	abandon func()                      // gives up what it holds, where run was never called; may be nil
	asked   metrics.Sink                // can be asked whether it is away; may be nil
	cancel  context.CancelFunc
}

// change is a set of outputs that is ready to replace the running one.
type change struct {
	checks []string // the names of the checks that there will be
	keep   map[string]bool
	start  []*output
}

// abandon gives up what was made for a change that does not come.
func (c *change) abandon() {
	for _, o := range c.start {
		if o.abandon != nil {
			o.abandon()
		}
	}
}

func newSinks(log *slog.Logger) *sinks {
	return &sinks{log: log, metrics: metrics.New(version), outputs: map[string]*output{}}
}

// prepare makes the outputs that a configuration has and that do not run yet.
func (s *sinks) prepare(conf *config.Config, checks []string) (*change, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := &change{checks: checks, keep: map[string]bool{}}
	for _, w := range s.wanted(conf) {
		if s.outputs[w.key] != nil {
			c.keep[w.key] = true
			continue
		}
		o, err := w.output()
		if err != nil {
			c.abandon()
			return nil, err
		}
		o.key = w.key
		c.start = append(c.start, o)
	}
	return c, nil
}

// run begins the first outputs. They end with the context; wait waits for that.
func (s *sinks) run(ctx context.Context, first *change) {
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
	s.commit(first)
}

func (s *sinks) wait() { s.running.Wait() }

// commit ends what is gone and starts what is new.
func (s *sinks) commit(c *change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, o := range s.outputs {
		if !c.keep[key] {
			o.cancel()
			delete(s.outputs, key)
		}
	}
	for _, o := range c.start {
		var ctx context.Context
		ctx, o.cancel = context.WithCancel(s.ctx)
		s.outputs[o.key] = o
		s.running.Go(func() {
			if err := o.run(ctx); err != nil {
				s.log.Error("a sink ended", "sink", o.key, "err", err)
			}
		})
	}
	asked := map[string]metrics.Sink{}
	for key, o := range s.outputs {
		if o.asked != nil {
			asked[key] = o.asked
		}
	}
	s.metrics.SetSinks(asked)
	s.metrics.Retain(c.checks)
}

// Result hands a result to every sink.
func (s *sinks) Result(r check.Result) {
	s.metrics.Result(r)
	s.each(func(sink monitor.Sink) { sink.Result(r) })
}

// Transition hands a transition to every sink, the journal among them.
func (s *sinks) Transition(t check.Transition) {
	logTransition(s.log, t)
	s.metrics.Transition(t)
	s.each(func(sink monitor.Sink) { sink.Transition(t) })
}

// each calls tell for every sink. None of them waits: each has a bounded queue of its own.
func (s *sinks) each(tell func(monitor.Sink)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.outputs {
		if o.sink != nil {
			tell(o.sink)
		}
	}
}

// firewall takes over what the guard said last; nil when it is away.
func (s *sinks) firewall(r *control.Report) {
	if r == nil {
		s.metrics.SetFirewall(nil)
		return
	}
	told := &metrics.Firewall{InForce: verified(r.Result), Repairs: r.Repairs}
	for name, c := range r.Counters {
		told.Counters = append(told.Counters, metrics.Counter{Name: name, Packets: c.Packets, Bytes: c.Bytes})
	}
	if r.Tallies != nil {
		told.Knocking = &metrics.Knocking{IPv4: r.Tallies.KnockingV4, IPv6: r.Tallies.KnockingV6}
		told.Refused = r.Tallies.Count
	}
	s.metrics.SetFirewall(told)
	if knocks := knocksOf(r.Tallies); len(knocks) > 0 {
		s.each(func(sink monitor.Sink) {
			if keeps, ok := sink.(interface{ Knocks(list []history.Knock) }); ok {
				keeps.Knocks(knocks)
			}
		})
	}
}

// down is a sentence for each sink that cannot be written now.
func (s *sinks) down() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var sentences []string
	for _, key := range slices.Sorted(maps.Keys(s.outputs)) {
		if s.outputs[key].asked == nil {
			continue
		}
		if since, dropped, err := s.outputs[key].asked.Down(); !since.IsZero() {
			sentences = append(sentences, fmt.Sprintf("%s cannot be written since %s: %v; %d records dropped",
				key, since.UTC().Format(time.RFC3339), err, dropped))
		}
	}
	return sentences
}

// logTransition writes a transition to the journal. slog quotes what is not printable, so that no text of a server can
// forge a line.
func logTransition(log *slog.Logger, t check.Transition) {
	level := slog.LevelInfo
	if t.To == check.Fail || t.To == check.Unknown || t.To == check.Warn {
		level = slog.LevelWarn
	}
	log.Log(context.Background(), level, "transition", "check", t.Check, "from", t.From, "to", t.To,
		"cause", t.Result.Cause, "target", t.Result.Target, "detail", t.Result.Detail)
}
