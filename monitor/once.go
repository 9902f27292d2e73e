package monitor

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/check"
)

// onceGrace is how long a run may take to return after its context has ended.
const onceGrace = 400 * time.Millisecond

// Once runs every check once, at most workers at a time, what others depend on before them, and gives the results in
// the order of the checks. What depends on a check that is bad is skipped. There are no thresholds: each result is what
// one run saw. An After that names no check of the list is taken for met, so that a part of a configuration can be run; one
// that leads in a circle makes every result unknown. A check without a Run of its own is skipped.
//
// When the context ends, what has not returned yet is unknown, without a cause: nothing is to blame but who stopped it.
func Once(ctx context.Context, checks []check.Check, workers int, log *slog.Logger) []check.Result {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	results := make([]check.Result, len(checks))
	g, err := newGraph(withinList(checks))
	if err != nil {
		return allUnknown(checks, err)
	}
	done := make([]chan struct{}, len(checks))
	for i := range done {
		done[i] = make(chan struct{})
	}
	var running errgroup.Group
	running.SetLimit(max(1, workers))
	for _, i := range g.order { // so whatever a run waits for has already begun: no deadlock, whatever the limit
		running.Go(func() error {
			defer close(done[i])
			var upstream []check.Result
			for _, j := range g.upstream[i] {
				<-done[j]
				upstream = append(upstream, results[j])
			}
			results[i] = once(ctx, checks[i], upstream, log)
			return nil
		})
	}
	_ = running.Wait() // no run gives an error
	return results
}

// once is the result of one check, given those of what it depends on.
func once(ctx context.Context, c check.Check, upstream []check.Result, log *slog.Logger) check.Result {
	now := time.Now()
	for _, u := range upstream {
		if u.Bad() {
			return c.Skip(u.Check, now)
		}
	}
	if c.Run == nil {
		return c.Complete(check.Result{
			Status: check.Skipped, Detail: "not run: its results come from the running daemon",
		}, now, 0)
	}
	if ctx.Err() != nil {
		return c.Complete(interrupted(), now, 0)
	}
	r, _ := execute(ctx, c, onceGrace, log)
	if ctx.Err() != nil && r.Bad() {
		return c.Complete(interrupted(), r.Time, r.Duration)
	}
	return r
}

func allUnknown(checks []check.Check, why error) []check.Result {
	results := make([]check.Result, len(checks))
	for i, c := range checks {
		results[i] = c.Complete(check.Result{
			Status: check.Unknown, Cause: check.Internal, Detail: why.Error(),
			Remedy: "Mend the dependencies of the checks.",
		}, time.Now(), 0)
	}
	return results
}

func interrupted() check.Result {
	return check.Result{Status: check.Unknown, Detail: "interrupted before it was done"}
}

// withinList is the checks without the dependencies that are not among them.
func withinList(checks []check.Check) []check.Check {
	listed := make(map[string]bool, len(checks))
	for _, c := range checks {
		listed[c.Name] = true
	}
	within := make([]check.Check, len(checks))
	for i, c := range checks {
		within[i] = c
		within[i].After = nil
		for _, name := range c.After {
			if listed[name] {
				within[i].After = append(within[i].After, name)
			}
		}
	}
	return within
}
