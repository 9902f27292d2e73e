package guard

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// reopenFirst and reopenLongest bound the time between two tries to be told of changes. In between they are found by
	// looking, so that there is no hurry.
	reopenFirst   = interval
	reopenLongest = time.Minute
)

// ear is the guard's hearing of changes: a socket of its own, that is opened again when it fails.
type ear struct {
	guard    *Guard
	watching *sync.WaitGroup
	ended    chan error // what broke it; nil while there is none

	next   time.Time     // no try before
	wait   time.Duration // after the next failure
	since  time.Time     // it has been open
	silent bool          // that it fails has been logged, and it has not held for long since
}

func newEar(g *Guard, watching *sync.WaitGroup) *ear {
	return &ear{guard: g, watching: watching, wait: reopenFirst}
}

// open opens what is not open, if it is time to try.
func (e *ear) open(ctx context.Context, now time.Time) {
	if e.ended != nil {
		select {
		case err := <-e.ended:
			e.ended = nil
			e.failed(err, now)
		default:
			return
		}
	}
	if now.Before(e.next) || ctx.Err() != nil {
		return
	}
	follow, err := e.guard.live.Watch()
	if err != nil {
		e.failed(err, now)
		return
	}
	ended := make(chan error, 1)
	e.ended, e.since = ended, now
	e.watching.Go(func() {
		err := follow(ctx, e.guard.heard)
		ended <- errors.Join(err, ctx.Err())
		e.guard.news.call() // for a look, which opens it again: what comes in between is not told of
	})
}

// failed puts off the next try, twice as long each time. It is logged once, and again where it had held for long.
func (e *ear) failed(err error, now time.Time) {
	if !e.since.IsZero() && now.Sub(e.since) > reopenLongest {
		e.wait, e.silent = reopenFirst, false
	}
	e.since = time.Time{}
	e.next, e.wait = now.Add(e.wait), min(2*e.wait, reopenLongest)
	if !e.silent {
		e.guard.log.Warn("the kernel tells of no changes: they are found by looking, and it is tried again",
			"every", interval, "err", err)
	}
	e.silent = true
}
