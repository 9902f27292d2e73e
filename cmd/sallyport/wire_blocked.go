package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
	"sallyport/netcheck"
)

// oneByOne has one check ask at a time; nil for nil.
func oneByOne(ask netcheck.Blocked) netcheck.Blocked {
	if ask == nil {
		return nil
	}
	turn := make(chan struct{}, 1)
	return func(
		ctx context.Context, flight netcheck.Flight, again func(context.Context) error,
	) (*netcheck.Blocker, error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			return ask(ctx, flight, again)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// askGuardOr asks the guard where connections end on this host, and where none runs, or is to run, another way; nil is no
// other.
func askGuardOr(conf *config.Config, otherwise netcheck.Blocked) netcheck.Blocked {
	if conf.Firewall.Mode == config.Off {
		return otherwise
	}
	socket := filepath.Join(conf.Paths.Runtime, control.GuardSocket)
	return func(
		ctx context.Context, flight netcheck.Flight, again func(context.Context) error,
	) (*netcheck.Blocker, error) {
		request := control.Trace{To: flight.To, UDP: flight.UDP, UID: uint32(os.Geteuid())}
		var answer control.Traced
		err := control.InTurns(ctx, socket, control.VerbTrace, request, &answer, func(ctx context.Context) error {
			_ = again(ctx) // it has failed before, and what becomes of it now is told
			return nil
		})
		if errors.Is(err, control.ErrNoServer) && otherwise != nil {
			return otherwise(ctx, flight, again)
		}
		if err != nil {
			return nil, err
		}
		return blockerOf(answer)
	}
}

// traceHere looks by itself, which CAP_NET_ADMIN allows.
func traceHere(
	ctx context.Context, flight netcheck.Flight, again func(context.Context) error,
) (*netcheck.Blocker, error) {
	uid := uint32(os.Geteuid())
	fate, err := kernel.Trace(ctx, kernel.Flight{To: flight.To, UDP: flight.UDP, UID: &uid}, again)
	for _, cannot := range []error{kernel.ErrNotPermitted, kernel.ErrNoNftables, kernel.ErrUnsupported} {
		if !errors.Is(err, cannot) {
			continue
		}
		return nil, nil //nolint:nilnil // nobody is known, and asking again will not change that
	}
	if err != nil {
		return nil, err
	}
	return blockerOf(tracedOf(fate))
}

// errUnseen says that no packet was there to be followed: there was no time left to send one, or no way.
var errUnseen = errors.New("no packet was seen")

// blockerOf is who is named; nil for nobody.
func blockerOf(t control.Traced) (*netcheck.Blocker, error) {
	switch {
	case t.Packets == 0:
		return nil, errUnseen
	case t.Table == "" && !t.Lost:
		return nil, nil //nolint:nilnil // nobody
	}
	return &netcheck.Blocker{
		Family: t.Family, Table: t.Table, Chain: t.Chain, Handle: t.Handle, Rule: t.Rule, Comment: t.Comment,
		Queued: t.Queued, Answer: t.Answer, Own: t.Family == "inet" && t.Table == firewall.Table,
	}, nil
}
