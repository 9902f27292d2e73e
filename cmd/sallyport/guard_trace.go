package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"sallyport/control"
	"sallyport/firewall/kernel"
)

const (
	// tracePatience is how long a request waits for the one before it.
	tracePatience = 250 * time.Millisecond
	// traceGap is between the beginnings of two traces: each is two commits, of which all who watch nftables are told.
	traceGap = 100 * time.Millisecond
)

// tracer follows connection attempts for the prober, which has no netlink: one at a time, and not too many.
type tracer struct {
	turn chan struct{}
	last time.Time // when the latest began; of whose turn it is
}

func newTracer() *tracer { return &tracer{turn: make(chan struct{}, 1)} }

var errBusyTracing = errors.New("the guard follows another connection attempt")

// trace has the caller make the attempt while the packets to its destination are followed.
func (g *tracer) trace(ctx context.Context, body json.RawMessage, turn func(context.Context) error) (any, error) {
	var request control.Trace
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	if !request.To.IsValid() || request.To.Port() == 0 {
		return nil, errors.New("a trace wants an address and a port")
	}
	waiting, cancel := context.WithTimeout(ctx, tracePatience)
	defer cancel()
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-waiting.Done():
		return nil, errBusyTracing
	}
	select {
	case <-time.After(time.Until(g.last.Add(traceGap))):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	g.last = time.Now()
	var gone error
	flight := kernel.Flight{To: request.To, UDP: request.UDP, UID: &request.UID}
	fate, err := kernel.Trace(ctx, flight, func(ctx context.Context) error {
		gone = turn(ctx)
		return gone
	})
	if err = errors.Join(err, gone); err != nil {
		return nil, err
	}
	return tracedOf(fate), nil
}

// tracedOf is a fate for the caller.
func tracedOf(fate kernel.Fate) control.Traced {
	end := fate.End
	if end == nil {
		return control.Traced{Packets: fate.Packets, Lost: fate.Lost, Answer: fate.LostAnswer}
	}
	return control.Traced{
		Packets: fate.Packets, Family: end.Family, Table: end.Table, Chain: end.Chain, Handle: end.Handle, Rule: end.Rule,
		Comment: end.Comment, Queued: end.Queued, Answer: end.Answer,
	}
}
