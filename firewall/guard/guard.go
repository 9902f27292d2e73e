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
	// interval is how often the live table is looked at. A look at a hundred sources costs about a millisecond.
	interval = 2 * time.Second
	// calm and alert bound the part of its own time that the guard spends on looking to a hundredth, and to a tenth where
	// the last look was not ok: who changed the table once is likely to do so again. A look that takes long is made
	// rarer, up to maxInterval, which is how long a change may go unseen at worst.
	calm        = 100
	alert       = 10
	maxInterval = 30 * time.Second
	// lookTimeout bounds one look, repair included.
	lookTimeout = 30 * time.Second
	// contention is how many repairs within contentionSpan are no accident any more.
	contention     = 3
	contentionSpan = time.Minute
)

// Report is what the guard tells: what a look saw, and the counters of the live table.
type Report struct {
	Result   check.Result
	Counters map[string]kernel.Count
	Repairs  uint64 // since the guard was made
}

// Guard keeps one ruleset in force, or only watches it.
type Guard struct {
	live Kernel
	log  *slog.Logger
	turn chan struct{} // one look, repair or change at a time: who has put something in

	repairs atomic.Uint64

	// What follows belongs to whose turn it is.
	enforce  bool
	want     firewall.Ruleset
	golden   kernel.Dump
	repaired []time.Time // the latest repairs, at most contention of them
}

// New makes a guard over the live table. It guards nothing until Put.
func New(live Kernel, log *slog.Logger) *Guard {
	return &Guard{live: live, log: log, turn: make(chan struct{}, 1)}
}

// Put makes the ruleset the one that must be in force: rehearsed in a throw-away namespace, then, with enforce, written
// in one transaction, read back and compared. Without, the guard never writes, and only says what it sees. On an error
// the former ruleset stays wanted, and the next look puts it back where it must.
func (g *Guard) Put(ctx context.Context, ruleset firewall.Ruleset, enforce bool) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	rehearse := kernel.Golden
	if enforce {
		rehearse = g.live.ApplyRehearsed
	}
	golden, err := rehearse(ctx, ruleset)
	if err != nil {
		return err
	}
	g.want, g.golden, g.enforce = ruleset, golden, enforce
	g.repaired = nil
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

// Run looks at the live table until the context ends, repairs it if the guard enforces, and tells of each look. It
// returns nil.
func (g *Guard) Run(ctx context.Context, tell func(Report)) error {
	for {
		report := g.Look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		tell(report)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(untilNext(report.Result)):
		}
	}
}

// untilNext is how long the guard rests after a look.
func untilNext(r check.Result) time.Duration {
	share := alert
	if r.Status == check.OK {
		share = calm
	}
	return min(max(interval, time.Duration(share)*r.Duration), maxInterval)
}

// Look looks at the live table once, repairs it if the guard enforces, and says what it saw.
func (g *Guard) Look(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	began := time.Now()
	if err := g.take(ctx); err != nil {
		return Report{Result: Check().Complete(Failure(err), began, time.Since(began)), Repairs: g.repairs.Load()}
	}
	defer g.give()
	began = time.Now() // not to count the waiting
	dump, err := g.live.Dump(ctx)
	result := judge(compare(g.want, g.golden, dump, err))
	if g.enforce && mendable(result.Cause) {
		dump, result = g.repair(ctx, result, began)
	}
	return Report{
		Result:   Check().Complete(result, began, time.Since(began)),
		Counters: dump.Counters(), Repairs: g.repairs.Load(),
	}
}

// mendable says whether putting the ruleset in force again helps.
func mendable(c check.Cause) bool {
	return c == check.FirewallMissing || c == check.FirewallDormant || c == check.FirewallDrift
}

// repair puts the ruleset in force again, and returns what is there afterwards and what to say of it.
func (g *Guard) repair(ctx context.Context, found check.Result, now time.Time) (kernel.Dump, check.Result) {
	g.log.Warn("repairing the live ruleset", "cause", found.Cause, "detail", found.Detail)
	dump, err := g.live.Repair(ctx, g.want, g.golden)
	if err != nil {
		found.Detail += "; the repair failed: " + err.Error()
		g.log.Error("repair failed", "err", err)
		return kernel.Dump{}, found
	}
	g.repairs.Add(1)
	g.repaired = append(g.repaired, now)
	if len(g.repaired) > contention {
		g.repaired = g.repaired[1:]
	}
	return dump, repairedResult(found, g.repaired, now)
}

// repairedResult is what a repair makes of the finding that led to it: a warning, or a failure when the ruleset was
// repaired again and again.
func repairedResult(found check.Result, repaired []time.Time, now time.Time) check.Result {
	if len(repaired) == contention && now.Sub(repaired[0]) <= contentionSpan {
		return check.Result{
			Status: check.Fail, Cause: check.FirewallContended, Evidence: found.Evidence,
			Detail: fmt.Sprintf("put back %d times within %s, last because %s", contention, contentionSpan, found.Detail),
			Remedy: "Find what else writes nftables here: another firewall manager, a timer, a configuration tool " +
				"(`nft monitor` shows it).",
		}
	}
	return check.Result{
		Status: check.Warn, Cause: check.FirewallRepaired, Evidence: found.Evidence,
		Detail: "put back, because " + found.Detail,
		Remedy: "Find out who changed it: `nft monitor`, the audit log, a recent login.",
	}
}
