package monitor

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// The first runs are spread over this long for each check, and over this long at most: the first results come quickly,
// but a host with hundreds of checks is not hit by all of them at once.
const (
	spreadEach = 10 * time.Millisecond
	spreadMost = time.Second
)

// plan sets when a check that was never run is due.
func (m *Monitor) plan(e *entry, now time.Time) {
	if e.external() {
		m.listen(e, now)
		return
	}
	spread := min(spreadEach*time.Duration(len(m.entries)), spreadMost)
	e.base, e.fresh = now, true
	if m.opts.Jitter > 0 {
		e.base = now.Add(time.Duration(m.draw(e, 0) * float64(spread)))
	}
	e.tick, e.confirm = e.base, time.Time{}
}

// draw is a number in [0, 1) that is the same for all checks that are connected and for the same n.
func (m *Monitor) draw(e *entry, n int64) float64 {
	return rand.New(rand.NewPCG(m.opts.Seed^e.group, uint64(n))).Float64() //nolint:gosec // no secret
}

// nextTick moves the tick of a check behind the horizon. Ticks in between are missed, not made up for.
//
// What begins together must not stay together for ever, so the second tick comes early by up to half an interval; from
// there on ticks stand on a grid, and jitter is added to the grid, so that it does not drift. Checks that are connected
// draw the same numbers: due at once, the one that others depend on runs first and spares them a run.
func (m *Monitor) nextTick(e *entry, horizon time.Time) {
	if e.fresh && m.opts.Jitter > 0 && !e.external() {
		phase := (1 + m.draw(e, 1)) / 2
		e.base = e.base.Add(time.Duration(phase * float64(e.beat)))
	}
	e.fresh = false
	if late := horizon.Sub(e.base); late >= 0 {
		ticks := int64(late/e.check.Interval) + 1
		e.base = e.base.Add(time.Duration(ticks) * e.check.Interval)
	}
	e.tick = e.base
	if !e.external() {
		e.tick = e.base.Add(m.jitter(e))
	}
}

func (m *Monitor) jitter(e *entry) time.Duration {
	if m.opts.Jitter == 0 {
		return 0
	}
	return time.Duration(m.draw(e, e.base.UnixNano()) * m.opts.Jitter * float64(e.beat))
}

// pull makes a check due at the given time, if it is not due sooner anyway. Its own interval is not touched.
func (m *Monitor) pull(e *entry, at time.Time) {
	if e.external() || e.hangs() || !at.Before(e.at()) {
		return
	}
	e.confirm = at
	m.reschedule(e)
}

// reschedule puts an entry in its place in the agenda after its time has changed.
func (m *Monitor) reschedule(e *entry) {
	if e.index >= 0 {
		heap.Fix(&m.agenda, e.index)
	}
}

// arrange builds the agenda anew.
func (m *Monitor) arrange() {
	m.agenda = m.agenda[:0]
	for _, e := range m.entries {
		e.index = len(m.agenda)
		m.agenda = append(m.agenda, e)
	}
	heap.Init(&m.agenda)
}

// hurry wakes the loop if something is due before it would wake by itself.
func (m *Monitor) hurry() {
	if len(m.agenda) == 0 || !m.agenda[0].at().Before(m.armed) {
		return
	}
	m.armed = m.agenda[0].at()
	select {
	case m.wake <- struct{}{}:
	default: // it is about to wake
	}
}
