package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sallyport/check"
	"sallyport/firewall/kernel"
)

const (
	// contention is how many repairs within contentionSpan are no accident any more.
	contention     = 3
	contentionSpan = time.Minute
	// logEvery bounds how often repairs are logged.
	logEvery = time.Second

	contendedRemedy = "Find what else writes nftables here: another firewall manager, a timer, a configuration tool " +
		"(`nft monitor` shows it)."
)

// repair puts the ruleset in force again, and returns what is there afterwards and what to say of it. Nothing is done
// before it that can wait.
func (g *Guard) repair(ctx context.Context, live kernel.Dump, found check.Result) (kernel.Dump, check.Result) {
	taught, written := g.taught(g.want)
	dump, err := g.live.Repair(ctx, taught, live, g.golden)
	now := time.Now()
	g.blame.accuse(g.news.upTo(live.Generation()), g.right, g.heldUp)
	exposed := g.blame.exposed(now)
	if err != nil {
		return live, g.failed(ctx, found, err, now)
	}
	written()
	g.restored.take() // of what is repaired now: one event
	g.repairs.Add(1)
	g.tried(now)
	found = g.blame.on(found, exposed)
	g.logRepair(ctx, slog.LevelWarn, "repaired the live ruleset", now, found)
	after := g.blame.after(exposed)
	g.right, g.blame = now, blame{}
	return dump, repairedResult(found, after, g.repaired)
}

// failed is what to say of a repair that did not succeed: where that is because somebody else changed the ruleset as often
// as it was written, the cause is the fight.
func (g *Guard) failed(ctx context.Context, found check.Result, err error, now time.Time) check.Result {
	found = g.blame.on(found, 0)
	found.Detail += "; the repair failed: " + err.Error()
	g.logRepair(ctx, slog.LevelError, "repair failed", now, found)
	if !errors.Is(err, kernel.ErrUnsteady) && !errors.Is(err, kernel.ErrMismatch) {
		return found
	}
	if g.tried(now); contended(g.repaired) {
		found.Status, found.Cause, found.Remedy = check.Fail, check.FirewallContended, contendedRemedy
	}
	return found
}

// tried remembers a repair.
func (g *Guard) tried(now time.Time) {
	g.repaired = append(g.repaired, now)
	if len(g.repaired) > contention {
		g.repaired = g.repaired[1:]
	}
}

// contended says whether the latest repairs are too many for an accident.
func contended(repaired []time.Time) bool {
	return len(repaired) == contention && repaired[contention-1].Sub(repaired[0]) <= contentionSpan
}

// logRepair logs what was done, the first of each second: the number of repairs tells of the others.
func (g *Guard) logRepair(ctx context.Context, level slog.Level, message string, now time.Time, found check.Result) {
	if now.Sub(g.logged) < logEvery {
		return
	}
	g.logged = now
	g.log.Log(ctx, level, message, "cause", found.Cause, "detail", found.Detail, "repairs", g.repairs.Load())
}

// repairedResult is what a repair makes of the finding that led to it: a warning, or a failure when the ruleset was
// repaired again and again.
func repairedResult(found check.Result, after string, repaired []time.Time) check.Result {
	if contended(repaired) {
		return check.Result{
			Status: check.Fail, Cause: check.FirewallContended, Evidence: found.Evidence,
			Detail: fmt.Sprintf("put back %d times or more within %s, last%s, because %s",
				contention, contentionSpan, after, found.Detail),
			Remedy: contendedRemedy,
		}
	}
	return check.Result{
		Status: check.Warn, Cause: check.FirewallRepaired, Evidence: found.Evidence,
		Detail: "put back" + after + ", because " + found.Detail,
		Remedy: "Find out who changed it: `nft monitor`, the audit log, a recent login.",
	}
}
