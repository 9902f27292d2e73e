package monitor

import (
	"container/heap"
	"context"
	"slices"
	"time"

	"sallyport/check"
)

// idle is how long the loop sleeps when nothing is scheduled.
const idle = time.Hour

// turn makes ready what is due, or nearly so, begins what may begin, and says how long nothing else is due.
func (m *Monitor) turn(ctx context.Context, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Wakes++
	horizon := now.Add(m.coalesce)
	for len(m.agenda) > 0 && !m.agenda[0].at().After(horizon) {
		m.due(m.agenda[0], now, horizon)
	}
	m.dispatch(ctx)
	m.armed = now.Add(idle)
	if len(m.agenda) > 0 {
		m.armed = m.agenda[0].at()
	}
	return m.armed.Sub(now)
}

// due takes a check whose time has come. Afterwards it is no longer due before the horizon.
func (m *Monitor) due(e *entry, now, horizon time.Time) {
	ticked := !e.tick.After(horizon)
	if ticked {
		m.nextTick(e, horizon)
	}
	e.confirm = time.Time{}
	heap.Fix(&m.agenda, e.index)
	switch {
	case e.external():
		m.noWord(e, now)
	case e.waiting || e.running:
		if ticked {
			m.stats.Missed++
		}
	case e.hangs():
		m.record(e, e.check.Complete(stuck(e.began, e.check.Timeout), now, 0), now)
	default:
		e.waiting = true
		m.ready = append(m.ready, e)
	}
}

// dispatch begins what is ready as long as there are workers.
func (m *Monitor) dispatch(ctx context.Context) {
	for m.active < m.opts.Workers && ctx.Err() == nil {
		e := m.nextReady(time.Now())
		if e == nil {
			return
		}
		m.start(ctx, e)
	}
}

// nextReady takes the first check that is worth a run; those that are not are skipped.
func (m *Monitor) nextReady(now time.Time) *entry {
	for i := 0; i < len(m.ready); {
		e := m.ready[i]
		if e.held() {
			i++
			continue
		}
		m.ready = slices.Delete(m.ready, i, i+1)
		e.waiting = false
		by := e.blocker()
		if by == nil {
			return e
		}
		m.record(e, e.check.Skip(by.check.Name, now), now)
		i = 0 // what waited for the skipped one need not wait any longer
	}
	return nil
}

func (m *Monitor) start(ctx context.Context, e *entry) {
	runCtx, cancel := context.WithCancel(ctx)
	c := e.check
	e.running, e.cancel = true, cancel
	m.active++
	m.workers.Go(func() {
		r, hung := execute(runCtx, c, m.opts.Grace, m.opts.Logger)
		cancel()
		m.finish(ctx, e, r, hung)
	})
}

// finish takes what a run gave, and begins what could not begin before.
func (m *Monitor) finish(ctx context.Context, e *entry, r check.Result, hung <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.active--
	m.stats.Runs++
	e.running, e.cancel = false, nil
	if hung != nil {
		m.giveUp(e, r, hung)
	}
	if ctx.Err() == nil && !e.gone { // else it was cut short, and what it says is no word about its target
		m.record(e, r, time.Now())
	}
	m.dispatch(ctx)
	m.hurry()
}

// giveUp remembers a run that did not return: its check is not run again before it does, so no more than one goroutine
// for each check can be lost.
func (m *Monitor) giveUp(e *entry, r check.Result, hung <-chan struct{}) {
	m.stats.Hung++
	m.forgetReturned()
	m.hangs = append(m.hangs, hang{check: e.check.Name, returned: hung})
	e.hung, e.began = hung, r.Time
	m.opts.Logger.Error("a check does not return", "check", e.check.Name, "began", r.Time)
}

// record advances what is believed of a check by a result, tells the sinks, and decides what the result makes due.
func (m *Monitor) record(e *entry, r check.Result, now time.Time) {
	m.advance(e, e.check, r)
	switch {
	case r.Status == check.Skipped:
	case e.state.doubtful():
		m.confirm(e, now)
	case e.state.Good > 0:
		e.retry.reset()
		m.release(e, now)
	}
}

func (m *Monitor) advance(e *entry, c check.Check, r check.Result) {
	state, transition := Advance(e.state, c, r)
	e.state = state
	for _, f := range m.feeds {
		f.put(message{result: r, transition: transition})
	}
}

// confirm makes a check that was seen bad due sooner than at its interval, and what it depends on with it: if the fault
// is there, it is found there first, and this check is skipped instead of raising a second alarm.
func (m *Monitor) confirm(e *entry, now time.Time) {
	at := now.Add(e.retry.next())
	m.pull(e, at)
	for _, u := range e.upstream {
		m.pull(u, at)
	}
}

// release makes due what was skipped because of a check that is well again, unless it is about to run or runs anyway: it
// would run twice.
func (m *Monitor) release(e *entry, now time.Time) {
	for _, d := range e.downstream {
		if d.state.Last.Status == check.Skipped && !d.waiting && !d.running && d.blocker() == nil {
			m.pull(d, now)
		}
	}
}
