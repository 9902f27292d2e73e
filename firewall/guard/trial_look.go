package guard

import (
	"context"
	"fmt"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// trialOver says why the trial is over, and nothing as long as it runs. The kernel is the truth: what it has let expire is
// over, whatever our clock says. A table that is not as it must be says nothing of the trial, for the set is part of it.
func (g *Guard) trialOver(seen look, live kernel.Dump, began time.Time) string {
	_, running := live.Trial()
	switch left := g.trial.left(began); {
	case left < trialRest:
		return Expired
	case seen.err != nil || !seen.exact || running:
		return ""
	case left < trialSlack:
		return Expired
	default:
		return CutShort
	}
}

// onTrial is what a look means while a trial runs: the trial ended, if it is over, and somebody's change of its time taken
// for the drift that it is.
func (g *Guard) onTrial(
	ctx context.Context, began time.Time, seen look, live kernel.Dump, result check.Result,
) (kernel.Dump, check.Result) {
	if over := g.trialOver(seen, live, began); over != "" {
		return g.concluded(ctx, over, live, result)
	}
	left := g.trial.left(began)
	inKernel, running := live.Trial()
	switch longer := inKernel.Left - left; {
	case !seen.exact || !running:
	case longer > trialSlack:
		result = g.drifted(seen, fmt.Sprintf("it lasts %s longer than it was meant to", longer.Round(time.Millisecond)))
	case !inKernel.Whole && left > trialSlack:
		result = g.drifted(seen, "one of its two families is missing")
	}
	return live, result
}

// concluded cleans up after a trial. That the table was wrong besides is told as a repair, for it is one.
func (g *Guard) concluded(
	ctx context.Context, over string, live kernel.Dump, found check.Result,
) (kernel.Dump, check.Result) {
	after, err := g.undo(ctx, over)
	switch {
	case err != nil:
		failed := Failure(err)
		return live, failed
	case mendable(found.Cause):
		g.repairs.Add(1)
		return after, repairedResult(found, "", nil)
	}
	return after, judge(look{exact: true, hash: fmt.Sprintf("%x", after.Hash())})
}

// drifted is the result for a set of the trial that is not as it must be.
func (*Guard) drifted(seen look, how string) check.Result {
	return check.Result{
		Status: check.Fail, Cause: check.FirewallDrift,
		Detail:   "the live ruleset differs from the compiled one: of the set " + firewall.TrialSet + ", " + how,
		Remedy:   "Find out who changes the trial's set; end the trial with `sallyport rollback`.",
		Evidence: Evidence{Hash: seen.hash},
	}
}

const trialRemedy = "If you can still get in: `sallyport confirm`. If not, or to end it now: `sallyport rollback`."

// standing adds to a result what holds besides: the trial that runs, or the one that came to nothing. It is the headline
// where there is nothing worse to say.
func (g *Guard) standing(r check.Result, now time.Time) check.Result {
	evidence, ok := r.Evidence.(Evidence)
	if r.Evidence != nil && !ok {
		return r
	}
	switch {
	case g.trial != nil:
		told := g.trial.told(now)
		seconds := told.Left.Seconds()
		evidence.Trial = &TrialEvidence{
			SecondsLeft: float64(told.Left.Round(100*time.Millisecond).Milliseconds()) / 1000,
			Deadline:    told.Deadline.UTC().Round(time.Second), Digest: told.Digest,
		}
		r.Evidence = evidence
		if r.Status == check.OK {
			r.Status, r.Cause = check.Warn, check.FirewallTrial
			r.Detail = fmt.Sprintf("a trial is running: %.0f s left, then the ruleset from before judges again", seconds)
			r.Remedy = trialRemedy
		}
	case g.rolledBack != nil:
		evidence.RolledBack = g.rolledBack
		r.Evidence = evidence
		if r.Status == check.OK {
			r.Status, r.Cause = check.Warn, check.FirewallRolledBack
			r.Detail = "a trial was " + g.rolledBack.String() + "; the ruleset from before it is in force"
			r.Remedy = "The configuration still asks for what was tried: correct it or try it again (`sallyport apply`); " +
				"`sallyport plan` shows the difference."
		}
	}
	return r
}

// bare is the result where nothing is to be in force. A table that is there all the same is somebody else's, and stays.
func bare(seen look) check.Result {
	switch {
	case seen.missing:
	case seen.err != nil:
		return Failure(seen.err)
	default:
		return check.Result{
			Status: check.Fail, Cause: check.FirewallDrift, Evidence: Evidence{Hash: seen.hash},
			Detail: "a table inet " + firewall.Table + " is in the kernel that this guard did not make: nothing was in " +
				"force before the trial that came to nothing",
			Remedy: "Put in force what is meant: `sallyport apply --now`.",
		}
	}
	return check.Result{
		Status: check.Fail, Cause: check.FirewallMissing,
		Detail: "nothing is in force, and nothing was before the trial that came to nothing: the host is open, " +
			"other rules aside",
		Remedy: "Correct the configuration and try it again: `sallyport apply`.",
	}
}

// call has the guard look at once.
func (n *notices) call() {
	n.mu.Lock()
	n.missed = true
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// untilNextOf is how long the guard rests after a look: while a trial runs, no longer than until it ends.
func untilNextOf(r Report) time.Duration {
	while := untilNext(r.Result)
	if r.Trial == nil {
		return while
	}
	return min(while, trialInterval, r.Trial.Left+time.Millisecond)
}
