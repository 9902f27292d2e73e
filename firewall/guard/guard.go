package guard

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

const (
	// interval is how often the live table is looked at when no change is told of: for the counters, for a table that went
	// with its owner, which is no commit, and for a kernel that tells nothing. A look at a hundred sources costs about a
	// millisecond.
	interval = 2 * time.Second
	// punctual is how much later than it is due a look may be of a guard that runs.
	punctual = 250 * time.Millisecond
	// calm and alert bound the part of its own time that the guard spends on looking to a hundredth, and to a tenth where
	// the last look was not ok: who changed the table once is likely to do so again. A look that takes long is made
	// rarer, up to maxInterval, which is how long a change may go unseen at worst.
	calm        = 100
	alert       = 10
	maxInterval = 30 * time.Second
	// unreadable is how long the guard waits before it looks again at a change that it could not read.
	unreadable = 100 * time.Millisecond
	// lookTimeout bounds one look, repair included.
	lookTimeout = 30 * time.Second
)

// Report is what the guard tells: what a look saw, and the counters of the live table.
type Report struct {
	Result   check.Result
	Counters map[string]kernel.Count
	Repairs  uint64 // since the guard was made

	Trial      *Trial      // the one that runs, or nil
	RolledBack *RolledBack // the latest that came to nothing, until something else was put in force; or nil
	Tallies    Tallies
}

// Guard keeps one ruleset in force, or only watches it, or two while one of them is on trial.
type Guard struct {
	live Kernel
	log  *slog.Logger
	news *notices
	turn chan struct{} // one look, repair or change at a time: who has put something in

	repairs atomic.Uint64

	restored restorations
	spare    *allowance // what may be spent on changes

	// What follows belongs to whose turn it is.
	ownership kernel.Ownership
	kept
	trial      *trial      // that runs, or nil
	rolledBack *RolledBack // as in Report

	repaired []time.Time // the latest repairs, and tries in vain, at most contention of them
	right    time.Time   // when the live table was last seen to be right; zero before
	due      time.Time   // when the next look is to be, at the latest; zero before the first
	heldUp   bool        // this look is later than that
	blame    blame       // for what is wrong since
	logged   time.Time   // when a repair was last logged
	names    names       // where names lead
	tallies  Tallies     // as they were read last

	sentries *kernel.Sentries  // nil where none stand
	others   *others           // nil where they are not watched
	policies []firewall.Policy // that let somebody in
}

// New makes a guard over the live table. It guards nothing until Put.
func New(live Kernel, log *slog.Logger) *Guard {
	return &Guard{
		live: live, log: log, news: newNotices(), turn: make(chan struct{}, 1),
		restored: newRestorations(), spare: newAllowance(time.Now()),
	}
}

// Put makes the ruleset the one that must be in force: rehearsed in a throw-away namespace, then, with enforce, written
// in one transaction, read back and compared. Without, the guard never writes, and only says what it sees. On an error
// the former ruleset stays wanted, and the next look puts it back where it must. While a trial runs it is ErrTrialRuns.
func (g *Guard) Put(ctx context.Context, ruleset firewall.Ruleset, enforce bool) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	if g.trial != nil {
		return ErrTrialRuns
	}
	rehearse := kernel.Golden
	if enforce {
		rehearse = g.write
	}
	golden, err := rehearse(ctx, ruleset)
	if err != nil {
		return err
	}
	g.keepFrom(kept{enforce: enforce, want: ruleset, golden: golden})
	g.rolledBack = nil
	if enforce {
		g.right = time.Now()
		g.news.cover(golden.Generation()) // that of the live table; without enforce, that of the rehearsal
	}
	return nil
}

// take waits for the turn as long as the context lasts: another's look may take a while.
func (g *Guard) take(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the guard is busy with the live ruleset: %w", context.Cause(ctx))
	}
}

func (g *Guard) give() { <-g.turn }

// Look looks at the live table once, repairs it if the guard enforces, and says what it saw.
func (g *Guard) Look(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	began := time.Now()
	if err := g.take(ctx); err != nil {
		return Report{Result: Check().Complete(Failure(err), began, time.Since(began)), Repairs: g.repairs.Load()}
	}
	defer g.give()
	g.heldUp = !g.due.IsZero() && began.Sub(g.due) > punctual
	began = time.Now()  // not to count the waiting
	if g.trial != nil { // what is written again lasts as long as is left, never longer
		g.want = g.want.Prolonged(max(trialRest, g.trial.left(began)))
	}
	dump, seen := g.see(ctx)
	result := judge(seen)
	switch {
	case g.trial != nil:
		dump, result = g.onTrial(ctx, began, seen, dump, result)
	case g.none:
		result = bare(seen)
	}
	switch {
	case result.Status == check.OK:
		result = g.well(ctx, dump, result, began)
	case mendable(result.Cause) && g.enforce:
		dump, result = g.repair(ctx, dump, result)
	case mendable(result.Cause):
		g.blame.accuse(g.news.upTo(dump.Generation()), g.right, g.heldUp)
		result = g.blame.on(result, 0)
	}
	g.news.cover(dump.Generation())
	result = g.cutOff(ctx, result)
	now := time.Now()
	report := Report{
		Result:   Check().Complete(g.others.beside(g.standing(result, now)), began, now.Sub(began)),
		Counters: dump.Counters(), Repairs: g.repairs.Load(), RolledBack: g.rolledBack, Tallies: g.tally(ctx, now),
	}
	if g.trial != nil {
		report.Trial = new(g.trial.told(now))
	}
	g.due = now.Add(untilNextOf(report))
	return report
}

// mendable says whether putting the ruleset in force again helps.
func mendable(c check.Cause) bool {
	return c == check.FirewallMissing || c == check.FirewallDormant || c == check.FirewallDrift
}
