package guard

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

const (
	// interval is how often the live table is looked at. A look at a hundred sources costs about a millisecond.
	interval = 2 * time.Second
	// share is the part of its own time that the guard may spend on looking: a look that takes long is made rarer.
	share = 100
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
	live    Kernel
	enforce bool
	log     *slog.Logger

	mu       sync.Mutex // one look, repair or change at a time
	want     firewall.Ruleset
	golden   kernel.Dump
	repairs  uint64
	repaired []time.Time // the latest repairs, at most contention of them
}

// New makes a guard over the live table. It guards nothing until Put.
func New(live Kernel, log *slog.Logger) *Guard {
	return &Guard{live: live, log: log}
}

// Put makes the ruleset the one that must be in force: rehearsed in a throw-away namespace, then, with enforce, written
// in one transaction, read back and compared. Without, the guard never writes, and only says what it sees. On an error
// the former ruleset stays wanted, and the next look puts it back where it must.
func (g *Guard) Put(ctx context.Context, ruleset firewall.Ruleset, enforce bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
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

// Run looks at the live table until the context ends, repairs it if the guard enforces, and tells of each look. It
// returns nil.
func (g *Guard) Run(ctx context.Context, tell func(Report)) error {
	for {
		began := time.Now()
		report := g.Look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		tell(report)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(interval, share*time.Since(began))):
		}
	}
}

// Look looks at the live table once, repairs it if the guard enforces, and says what it saw.
func (g *Guard) Look(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	began := time.Now()
	result := Verify(ctx, g.live, g.want, g.golden)
	if g.enforce && mendable(result.Cause) {
		result = g.repair(ctx, result, began)
	}
	counters, err := g.live.Counters(ctx)
	if err != nil {
		counters = nil // the result says already what is wrong; counters are an extra
	}
	return Report{Result: Check().Complete(result, began, time.Since(began)), Counters: counters, Repairs: g.repairs}
}

// mendable says whether putting the ruleset in force again helps.
func mendable(c check.Cause) bool {
	return c == check.FirewallMissing || c == check.FirewallDormant || c == check.FirewallDrift
}

func (g *Guard) repair(ctx context.Context, found check.Result, now time.Time) check.Result {
	g.log.Warn("repairing the live ruleset", "cause", found.Cause, "detail", found.Detail)
	if err := g.live.Apply(ctx, g.want); err != nil {
		found.Detail += "; the repair failed: " + err.Error()
		g.log.Error("repair failed", "err", err)
		return found
	}
	g.repairs++
	g.repaired = append(g.repaired, now)
	if len(g.repaired) > contention {
		g.repaired = g.repaired[1:]
	}
	return repairedResult(found, g.repaired, now)
}

// repairedResult is what a repair makes of the finding that led to it: a warning, or a failure when the ruleset was
// repaired again and again.
func repairedResult(found check.Result, repaired []time.Time, now time.Time) check.Result {
	if len(repaired) == contention && now.Sub(repaired[0]) <= contentionSpan {
		return check.Result{
			Status: check.Fail, Cause: check.FirewallContended, Evidence: found.Evidence,
			Detail: fmt.Sprintf("put back %d times within %s, last because %s", contention, contentionSpan, found.Detail),
			Remedy: "find what else writes nftables here: another firewall manager, a timer, a configuration tool " +
				"(`nft monitor` shows it)",
		}
	}
	return check.Result{
		Status: check.Warn, Cause: check.FirewallRepaired, Evidence: found.Evidence,
		Detail: "put back, because " + found.Detail,
		Remedy: "find out who changed it: `nft monitor`, the audit log, a recent login",
	}
}
