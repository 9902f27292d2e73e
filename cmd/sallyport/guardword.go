package main

import (
	"context"
	"encoding/json"
	"time"

	"sallyport/control"
	"sallyport/monitor"
)

const (
	// guardSilence is the interval in which the guard must say a word; a few of them without one are an alarm.
	guardSilence = 5 * time.Second

	reconnectFirst   = 100 * time.Millisecond
	reconnectLongest = 2 * time.Second
)

// listenToGuard hands the guard's reports to the monitor and the sinks until the context ends. A guard that is away is
// no error: the monitor notices the silence.
func (p *probeProcess) listenToGuard(ctx context.Context, socket string) error {
	retry := monitor.NewRetry(reconnectFirst, reconnectLongest)
	for {
		err := control.Stream(ctx, socket, control.VerbReports, nil, func(raw json.RawMessage) error {
			retry.Reset()
			return p.hear(raw)
		})
		if ctx.Err() != nil {
			return nil
		}
		p.log.Debug("the guard is away", "err", err)
		p.sinks.firewall(nil)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry.Next()):
		}
	}
}

func (p *probeProcess) hear(raw json.RawMessage) error {
	var report control.Report
	if err := json.Unmarshal(raw, &report); err != nil {
		return err
	}
	p.mu.Lock()
	waivers := p.conf.Waivers
	p.mu.Unlock()
	p.sinks.firewall(&report)
	return p.monitor.Observe(waive(waivers, report.Result, time.Now()))
}
