package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sallyport/control"
	"sallyport/firewall/guard"
)

// try puts the configuration on trial beside what is in force.
func (p *guardProcess) try(ctx context.Context, body json.RawMessage) (any, error) {
	var request control.Try
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	if err := p.means(request.Apply); err != nil {
		return nil, err
	}
	if request.Within < shortestTrial || request.Within > longestTrial {
		return nil, fmt.Errorf("a trial of %s: want %s to %s", request.Within, shortestTrial, longestTrial)
	}
	done, err := p.myTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	next, err := p.opts.candidate(request.Digest)
	if err != nil {
		return nil, err
	}
	before := p.book.now()
	next.inForce = p.inForce
	switch {
	case before.Trial != nil:
		return nil, guard.ErrTrialRuns
	case !next.enforces():
		return nil, fmt.Errorf("%s: firewall.mode is %s", next.conf.File, next.conf.Firewall.Mode)
	}
	if err := next.mayComeIn(ctx, request.Force); err != nil {
		return nil, err
	}
	var trial guard.Trial
	if err = p.book.tries(next, request.Within, p.inForce == nil); err == nil {
		trial, err = p.begin(ctx, next, request.Within)
	}
	if err != nil {
		return nil, errors.Join(err, p.book.change(func(r *guard.Record) { *r = before }))
	}
	p.untold(p.know(ctx, next.policy, p.inForce)) // in the sets that there are since
	p.log.Info("a trial has begun", "file", p.file, "left", trial.Left)
	p.tell(p.guard.Look(ctx))
	return control.Trial{Deadline: trial.Deadline, Left: trial.Left}, nil
}

// begin has the guard begin a trial, and leaves what was before where it does not.
func (p *guardProcess) begin(ctx context.Context, next candidate, within time.Duration) (guard.Trial, error) {
	former, err := p.guard.SetOwnership(ctx, next.ownership())
	if err != nil {
		return guard.Trial{}, err
	}
	var trial guard.Trial
	if err = p.know(ctx, next.policy, p.inForce); err == nil {
		trial, err = p.guard.Begin(ctx, next.ruleset, next.conf.Digest, within)
	}
	if err != nil {
		return guard.Trial{}, errors.Join(err, p.backTo(ctx, former))
	}
	return trial, nil
}

// ending answers a request to end the trial that runs.
func (p *guardProcess) ending(how func(context.Context) error) control.Handler {
	return func(ctx context.Context, _ json.RawMessage) (any, error) { return p.end(ctx, how) }
}

func (p *guardProcess) end(ctx context.Context, how func(context.Context) error) (any, error) {
	done, err := p.myTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	err = how(ctx)
	p.tell(p.guard.Look(ctx))
	var over *guard.RolledBackError
	switch {
	case errors.As(err, &over):
		return control.Ending{Over: over.Error()}, nil
	case errors.Is(err, guard.ErrNoTrial):
		return control.Ending{None: true}, nil
	}
	return control.Ending{}, err
}

func (p *guardProcess) confirm(ctx context.Context) error {
	if err := p.guard.Confirm(ctx); err != nil {
		return err
	}
	if tried := p.book.now().Trial; tried != nil {
		p.holds(&tried.Policy)
	}
	p.log.Info("the trial was confirmed")
	err := unrecorded(p.book.confirms())
	if p.inForce != nil {
		p.untold(p.know(ctx, *p.inForce, nil))
	}
	return err
}
