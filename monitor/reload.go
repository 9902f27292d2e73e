package monitor

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"sallyport/check"
)

// Reload replaces the checks, whole or not at all: on an error everything stays as it was. A check with the same name,
// kind and target as before keeps its state and its place in time, with its new Run, interval and thresholds; others
// start anew. Runs of checks that are gone are cancelled, and what they still give is thrown away.
func (m *Monitor) Reload(checks []check.Check) error {
	if err := validate(checks); err != nil {
		return err
	}
	g, err := newGraph(checks)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	old := m.entries
	m.entries = make([]*entry, len(checks))
	var added []*entry
	for i, c := range checks {
		if e := m.keep(old, c, now); e != nil {
			m.entries[i] = e
			continue
		}
		m.entries[i] = newEntry(c)
		added = append(added, m.entries[i])
	}
	link(m.entries, g)
	m.discard(old)
	m.coalesce = coalesce(m.opts.Coalesce, checks)
	if !m.started {
		return nil
	}
	for _, e := range added {
		m.plan(e, now)
	}
	m.arrange()
	m.hurry()
	return nil
}

// validate refuses what cannot be scheduled.
func validate(checks []check.Check) error {
	var errs []error
	seen := make(map[string]bool, len(checks))
	for i, c := range checks {
		switch {
		case c.Name == "":
			errs = append(errs, fmt.Errorf("check %d of %d has no name: give it one", i+1, len(checks)))
		case seen[c.Name]:
			errs = append(errs, fmt.Errorf("two checks are named %q: names must be unique", c.Name))
		case c.Interval <= 0:
			errs = append(errs, fmt.Errorf("check %q has no interval: it must be more than 0", c.Name))
		case c.Run != nil && (c.Timeout <= 0 || c.Timeout >= c.Interval):
			errs = append(errs, fmt.Errorf(
				"check %q has a timeout of %s: it must be more than 0 and less than its interval, %s",
				c.Name, c.Timeout, c.Interval))
		}
		seen[c.Name] = true
	}
	return errors.Join(errs...)
}

// keep is the entry that already holds the check, with its new settings; nil if there is none.
func (m *Monitor) keep(entries []*entry, c check.Check, now time.Time) *entry {
	i := slices.IndexFunc(entries, func(e *entry) bool { return e.same(c) })
	if i < 0 {
		return nil
	}
	e := entries[i]
	changed := c.Interval != e.check.Interval
	e.check = c
	if !changed {
		return e
	}
	e.retry = newConfirmation(c.Interval)
	if e.external() {
		m.listen(e, e.heard)
	} else if next := now.Add(c.Interval); next.Before(e.base) {
		e.base, e.tick = next, next
	}
	return e
}

// discard ends the entries that are no longer among the monitor's.
func (m *Monitor) discard(old []*entry) {
	kept := make(map[*entry]bool, len(m.entries))
	for _, e := range m.entries {
		kept[e] = true
	}
	for _, e := range old {
		if kept[e] {
			continue
		}
		e.gone, e.waiting, e.index = true, false, -1
		if e.cancel != nil {
			e.cancel()
		}
	}
	m.ready = slices.DeleteFunc(m.ready, func(e *entry) bool { return e.gone })
}

// link tells entries of each other as the graph says.
func link(entries []*entry, g graph) {
	beats := make(map[int]time.Duration)
	for i, e := range entries {
		e.upstream, e.downstream = nil, nil
		if b, ok := beats[g.group[i]]; !ok || e.check.Interval < b {
			beats[g.group[i]] = e.check.Interval
		}
	}
	for i, e := range entries {
		e.beat = beats[g.group[i]]
		e.group = number(entries[g.group[i]].check.Name)
		for _, j := range g.upstream[i] {
			e.upstream = append(e.upstream, entries[j])
			entries[j].downstream = append(entries[j].downstream, e)
		}
	}
}

// number turns a name into a number that is the same after a reload.
func number(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum64()
}

// coalesce is the window within which runs share a wake-up: a twentieth of the shortest interval at most, which is less
// than the shortest wait for a confirmation.
func coalesce(wanted time.Duration, checks []check.Check) time.Duration {
	if len(checks) == 0 {
		return wanted
	}
	shortest := slices.MinFunc(checks, func(a, b check.Check) int { return cmp.Compare(a.Interval, b.Interval) })
	return min(wanted, shortest.Interval/20)
}
