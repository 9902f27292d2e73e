package monitor

import (
	"fmt"
	"slices"
	"time"

	"sallyport/check"
)

// Observe takes a result that came from outside, for a check without a Run of its own: the guard's word about the
// firewall. The check's name, kind and target are filled in; a zero Time is now.
func (m *Monitor) Observe(r check.Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.entries, func(e *entry) bool { return e.check.Name == r.Check })
	if i < 0 {
		return fmt.Errorf("a result for %q, which is no check of the configuration", r.Check)
	}
	e, now := m.entries[i], time.Now()
	if !e.external() {
		return fmt.Errorf("a result from outside for %q, which is a check that is run here", r.Check)
	}
	if r.Time.IsZero() {
		r.Time = now
	}
	m.listen(e, now)
	m.reschedule(e)
	m.record(e, e.check.Complete(r, r.Time, r.Duration), now)
	m.hurry()
	return nil
}

// listen waits anew for word about an external check.
func (m *Monitor) listen(e *entry, now time.Time) {
	e.heard = now
	e.base = now.Add(time.Duration(m.opts.Stale) * e.check.Interval)
	e.tick = e.base
}

// noWord records that an external check has been without word for too long. That is believed at once: the wait was the
// threshold.
func (m *Monitor) noWord(e *entry, now time.Time) {
	c := e.check
	c.FailAfter = 1
	from := "from outside"
	if c.Kind == check.KindFirewall {
		from = "from the guard"
	}
	m.advance(e, c, c.Complete(check.Result{
		Status: check.Unknown,
		Cause:  check.UnknownIn(check.Layer(c.Kind)),
		Detail: fmt.Sprintf("no word %s since %s", from, e.heard.UTC().Format(time.RFC3339)),
		Remedy: "See whether what reports it still runs (pgrep -af sallyport), and its log.",
	}, now, 0))
}
