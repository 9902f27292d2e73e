package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"sallyport/check"
	"sallyport/control"
	"sallyport/firewall/guard"
	"sallyport/monitor"
)

const (
	// guardPatience is how long the guard may be silent before it counts as away: a few heartbeats.
	guardPatience = 3 * control.Heartbeat
	// guardInterval is the monitor's own measure of silence, behind the other: a few of it without a look at the live
	// table are an alarm even while the guard says that it is there.
	guardInterval = time.Minute

	reconnectFirst   = 100 * time.Millisecond
	reconnectLongest = time.Second
)

// listenToGuard hands the guard's reports to the monitor and the sinks until the context ends. A guard that stays away
// makes the firewall's result unknown: what nobody looks at must not read as well.
func (p *probeProcess) listenToGuard(ctx context.Context, socket string) error {
	retry := monitor.NewRetry(reconnectFirst, reconnectLongest)
	heard := time.Now()
	for {
		met := false
		err := untilSilent(ctx, socket, func(report control.Report) error {
			if !met { // it may be another guard than before, which knows nothing
				met = true
				p.follower.Forgotten()
			}
			heard = time.Now()
			retry.Reset()
			return p.hear(report)
		})
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(heard) >= guardPatience {
			if err := p.miss(heard, err); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry.Next()):
		}
	}
}

// untilSilent hands on the guard's reports until its stream ends or says nothing for too long.
func untilSilent(ctx context.Context, socket string, each func(control.Report) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(guardPatience, cancel)
	defer silence.Stop()
	return control.Stream(ctx, socket, control.VerbReports, nil, func(raw json.RawMessage) error {
		silence.Reset(guardPatience)
		var report control.Report
		if err := json.Unmarshal(raw, &report); err != nil {
			return fmt.Errorf("a report of the guard: %w", err)
		}
		return each(report)
	})
}

func (p *probeProcess) hear(report control.Report) error {
	if report.Result.Time.IsZero() {
		return nil
	}
	p.once.Do(func() { close(p.guarded) })
	p.mu.Lock()
	waivers := p.conf.Waivers
	p.tallies = report.Tallies
	p.mu.Unlock()
	p.sinks.firewall(&report)
	return p.monitor.Observe(waive(waivers, report.Result, time.Now()))
}

// miss records that the guard has been away since it was last heard.
func (p *probeProcess) miss(heard time.Time, err error) error {
	p.mu.Lock()
	p.tallies = nil
	p.mu.Unlock()
	p.sinks.firewall(nil)
	detail := "no word from the guard since " + heard.UTC().Format(time.RFC3339)
	if err != nil {
		detail += ": " + err.Error()
	}
	return p.monitor.Observe(check.Result{
		Check: guard.Name, Status: check.Unknown, Cause: check.UnknownIn(check.LayerFirewall), Detail: detail,
		Remedy: "See why the guard does not run, in the daemon's log; the ruleset that it put in force stays.",
	})
}
