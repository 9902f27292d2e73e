package monitor

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"sync/atomic"
	"time"

	"sallyport/check"
)

// Sink receives what the monitor finds out. Its methods are called by one goroutine of its own, in order, a result
// before the transition that it tipped; they may block, at the price of results that are dropped. A sink that has a
// method Name() string is called by that name in logs and in Dropped.
type Sink interface {
	Result(check.Result)
	Transition(check.Transition)
}

// Drop is what one sink has missed because it did not keep up.
type Drop struct {
	Sink        string
	Results     uint64
	Transitions uint64
}

// message is a result together with the transition that it tipped, if any.
type message struct {
	result     check.Result
	transition *check.Transition
}

// feed is the bounded queue in front of one sink, and the goroutine that empties it.
type feed struct {
	name  string
	sink  Sink
	queue chan message
	quit  chan struct{} // closed: take what is queued, then end
	done  chan struct{} // closed: has ended
	log   *slog.Logger

	results, transitions atomic.Uint64 // dropped
}

func newFeed(sink Sink, depth int, log *slog.Logger) *feed {
	name := fmt.Sprintf("%T", sink)
	if named, ok := sink.(interface{ Name() string }); ok {
		name = named.Name()
	}
	return &feed{
		name: name, sink: sink, log: log,
		queue: make(chan message, max(4, depth)), quit: make(chan struct{}), done: make(chan struct{}),
	}
}

// put queues a message without ever waiting. Results leave a quarter of the queue to transitions, which say more.
func (f *feed) put(m message) {
	if m.transition == nil && len(f.queue) >= cap(f.queue)/4*3 {
		f.drop(m)
		return
	}
	select {
	case f.queue <- m:
	default:
		f.drop(m)
	}
}

// drop counts, and logs at 1, 2, 4, 8, ... drops: a sink that hangs for a day must not fill the log.
func (f *feed) drop(m message) {
	n := f.results.Add(1)
	if m.transition != nil {
		f.transitions.Add(1)
	}
	if bits.OnesCount64(n) == 1 {
		f.log.Warn("a sink does not keep up: results dropped", "sink", f.name, "dropped", n)
	}
}

func (f *feed) run() {
	defer close(f.done)
	for {
		select {
		case m := <-f.queue:
			f.deliver(m)
		case <-f.quit:
			f.drain()
			return
		}
	}
}

func (f *feed) drain() {
	for range cap(f.queue) {
		select {
		case m := <-f.queue:
			f.deliver(m)
		default:
			return
		}
	}
}

func (f *feed) deliver(m message) {
	f.sink.Result(m.result)
	if m.transition != nil {
		f.sink.Transition(*m.transition)
	}
}

// stopFeeds lets every sink take what is queued for it, for as long as grace altogether.
func stopFeeds(feeds []*feed, grace time.Duration) error {
	for _, f := range feeds {
		close(f.quit)
	}
	limit := make(chan struct{})
	timer := time.AfterFunc(grace, func() { close(limit) })
	defer timer.Stop()
	var errs []error
	for _, f := range feeds {
		if !f.ended(limit) {
			errs = append(errs, fmt.Errorf("sink %s does not take what is queued for it (%d left): abandoned",
				f.name, len(f.queue)))
		}
	}
	return errors.Join(errs...)
}

// ended waits for the feeder, until the limit, and says whether it has ended.
func (f *feed) ended(limit <-chan struct{}) bool {
	select {
	case <-f.done:
		return true
	case <-limit:
	}
	select {
	case <-f.done: // both may have been ready
		return true
	default:
		return false
	}
}
