package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

var (
	// ErrNoTrial says that no trial is running.
	ErrNoTrial = errors.New("no trial is running")
	// ErrTrialRuns says that a trial has to end before anything else may be put in force.
	ErrTrialRuns = errors.New("a trial is running: end it first, with `sallyport confirm` or `sallyport rollback`")
)

const (
	// trialInterval is how often the guard looks, and tells of the time left, while a trial runs.
	trialInterval = time.Second
	// trialSlack is by how much the kernel's end of a trial may be later than it was meant: its clock ticks in up to 10 ms
	// (CONFIG_HZ), and a repair takes a while to be written. More is somebody's doing.
	trialSlack = 100 * time.Millisecond
	// trialRest is what is left of a trial that is over: too little to be written again (firewall.Beside).
	trialRest = 20 * time.Millisecond
)

// Why a trial came to nothing.
const (
	Expired   = "nobody confirmed it in time"
	TakenBack = "it was taken back"
	CutShort  = "the elements of the set " + firewall.TrialSet + " were taken out before their time"
)

// Trial is a trial that runs.
type Trial struct {
	Digest   string // of the configuration that the candidate is of; as it was given
	Deadline time.Time
	Left     time.Duration
}

// RolledBack is a trial that came to nothing.
type RolledBack struct {
	Hash   string    `json:"hash"`   // of the policy that was tried (firewall.Ruleset.PolicyHash)
	Digest string    `json:"digest"` // of its configuration
	At     time.Time `json:"at"`     // when the former ruleset judged again, as far as is known
	Reason string    `json:"reason"`
}

// String is the end of the trial in words.
func (r RolledBack) String() string {
	return fmt.Sprintf("rolled back at %s: %s", r.At.UTC().Format(time.RFC3339), r.Reason)
}

// TrialEvidence is what a result says of a trial that runs.
type TrialEvidence struct {
	SecondsLeft float64   `json:"seconds_left"`
	Deadline    time.Time `json:"deadline"`
	Digest      string    `json:"digest,omitempty"`
}

// kept is what a guard keeps in force, or only watches.
type kept struct {
	enforce bool
	none    bool // nothing is to be in force: an open host
	want    firewall.Ruleset
	golden  kernel.Dump
}

// trial is a trial that the guard has begun or gone on with.
type trial struct {
	before    kept
	candidate firewall.Ruleset
	digest    string
	deadline  time.Time // of the monotonic clock, which stands still in a suspend as the kernel's does
}

func (t *trial) left(now time.Time) time.Duration { return t.deadline.Sub(now) }

func (t *trial) told(now time.Time) Trial {
	return Trial{Digest: t.digest, Deadline: t.deadline, Left: max(0, t.left(now))}
}

// Adopt takes a ruleset for the one in force, without writing it: the next look puts it back where it is not.
func (g *Guard) Adopt(ctx context.Context, ruleset firewall.Ruleset) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	g.keepFrom(kept{enforce: true, want: ruleset})
	return nil
}

// Begin puts a candidate on trial beside what the guard keeps in force, or beside nothing where there is none: rehearsed,
// written in one transaction, read back and compared. The errors are ErrTrialRuns, those of firewall.Beside and Put; a
// guard that only observes refuses where a table is there that it does not keep.
func (g *Guard) Begin(
	ctx context.Context, candidate firewall.Ruleset, digest string, within time.Duration,
) (Trial, error) {
	if err := g.take(ctx); err != nil {
		return Trial{}, err
	}
	defer g.give()
	if g.trial != nil {
		return Trial{}, ErrTrialRuns
	}
	committed, err := g.committed(ctx)
	if err != nil {
		return Trial{}, err
	}
	both, err := firewall.Beside(committed, candidate, within)
	if err != nil {
		return Trial{}, err
	}
	golden, err := g.write(ctx, both)
	if err != nil {
		return Trial{}, errors.Join(err, g.withdraw(ctx))
	}
	now := time.Now()
	inKernel, _ := golden.Trial() // none is a trial that is over already, which the next look finds
	before := g.kept
	before.none = before.none || len(before.want.Chains) == 0
	g.begin(&trial{before: before, candidate: candidate, digest: digest, deadline: now.Add(inKernel.Left)}, both, golden)
	g.right = now
	g.news.cover(golden.Generation())
	return g.trial.told(now), nil
}

// committed is the ruleset that a trial goes back to: one without anything where nothing is in force.
func (g *Guard) committed(ctx context.Context) (firewall.Ruleset, error) {
	if g.enforce && !g.none {
		return g.want, nil
	}
	switch _, err := g.live.Dump(ctx); {
	case errors.Is(err, kernel.ErrNoTable):
		return firewall.Ruleset{}, nil
	case err != nil:
		return firewall.Ruleset{}, err
	}
	return firewall.Ruleset{}, errors.New("the table inet " + firewall.Table + " is in force, and this guard only " +
		"watches it: a trial could not go back to it; apply it with --now, or remove the table with `sallyport remove`")
}

// withdraw takes off what a trial that could not begin may have left where nothing was in force before. Where something
// was, the next look puts it back.
func (g *Guard) withdraw(ctx context.Context) error {
	if g.enforce && !g.none {
		return nil
	}
	return g.live.Remove(ctx)
}

func (g *Guard) begin(t *trial, both firewall.Ruleset, golden kernel.Dump) {
	g.trial, g.rolledBack = t, nil
	g.keepFrom(kept{enforce: true, want: both, golden: golden})
	g.news.call()
}

// keepFrom has the guard keep something else from now on.
func (g *Guard) keepFrom(k kept) {
	g.kept = k
	g.repaired, g.right, g.blame = nil, time.Time{}, blame{}
	if g.others != nil {
		g.others.again() // what they do is judged by the policy
	}
	g.arm()
}

// Resume goes on with a trial that runs in the kernel, and that another process has begun: for as long as the kernel lets
// it, and no longer than it was meant to last altogether. A committed ruleset that is nil is an open host. It writes
// nothing; the next look does, where the table is not as it must be. The errors are ErrNoTrial, and those of Put.
func (g *Guard) Resume(
	ctx context.Context, committed *firewall.Ruleset, candidate firewall.Ruleset, digest string, within time.Duration,
) (Trial, error) {
	if err := g.take(ctx); err != nil {
		return Trial{}, err
	}
	defer g.give()
	before := kept{none: true}
	if committed != nil {
		before = kept{enforce: true, want: *committed}
	}
	now := time.Now()
	live, err := g.live.Dump(ctx)
	if err != nil && !errors.Is(err, kernel.ErrNoTable) {
		return Trial{}, err
	}
	inKernel, running := live.Trial()
	left := min(inKernel.Left, within)
	if !running || left < trialRest || live.Ruleset().TrialHash() != candidate.PolicyHash() {
		return Trial{}, ErrNoTrial
	}
	both, err := firewall.Beside(before.want, candidate, left)
	if err != nil {
		return Trial{}, err
	}
	golden, err := g.live.Golden(ctx, both)
	if err != nil {
		return Trial{}, err
	}
	g.begin(&trial{before: before, candidate: candidate, digest: digest, deadline: now.Add(left)}, both, golden)
	return g.trial.told(now), nil
}

// Confirm makes the candidate that is on trial the one ruleset in force. The error is ErrNoTrial where none runs, and a
// *RolledBackError where the trial has just come to nothing.
func (g *Guard) Confirm(ctx context.Context) error {
	return g.end(ctx, func() error {
		golden, err := g.write(ctx, g.trial.candidate)
		if err != nil {
			return err
		}
		g.keepFrom(kept{enforce: true, want: g.trial.candidate, golden: golden})
		g.trial, g.right = nil, time.Now()
		g.news.cover(golden.Generation())
		return nil
	})
}

// Rollback ends the trial that runs, and puts in force what was before it. Its errors are those of Confirm.
func (g *Guard) Rollback(ctx context.Context) error {
	return g.end(ctx, func() error {
		_, err := g.undo(ctx, TakenBack)
		return err
	})
}

// RolledBackError says that a trial is over already.
type RolledBackError struct{ RolledBack }

// Error is the end of the trial in words.
func (e *RolledBackError) Error() string { return "the trial is over: " + e.String() }

// Unwrap is ErrNoTrial.
func (e *RolledBackError) Unwrap() error { return ErrNoTrial }

// end ends a trial, if it still runs in the kernel.
func (g *Guard) end(ctx context.Context, by func() error) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	if g.trial != nil {
		began := time.Now()
		live, err := g.live.Dump(ctx)
		if over := g.trialOver(compare(g.want, g.golden, live, err), live, began); over != "" {
			if _, err := g.undo(ctx, over); err != nil {
				return err
			}
		}
	}
	switch {
	case g.trial != nil:
		return by()
	case g.rolledBack != nil:
		return &RolledBackError{*g.rolledBack}
	default:
		return ErrNoTrial
	}
}

// Stay has the guard say of a trial that came to nothing before, until something else is put in force. Where nothing is
// in force at all, it guards nothing.
func (g *Guard) Stay(ctx context.Context, r RolledBack) error {
	if err := g.take(ctx); err != nil {
		return err
	}
	defer g.give()
	g.rolledBack = &r
	if len(g.want.Chains) == 0 {
		g.kept = kept{none: true}
		g.arm()
	}
	return nil
}

// undo puts in force what was before the trial, and takes the candidate off.
func (g *Guard) undo(ctx context.Context, reason string) (kernel.Dump, error) {
	var golden kernel.Dump
	var err error
	if g.trial.before.enforce && !g.trial.before.none {
		golden, err = g.write(ctx, g.trial.before.want)
	} else {
		err = g.live.Remove(ctx)
	}
	if err != nil {
		return kernel.Dump{}, fmt.Errorf("the trial is over, and cleaning up after it failed: %w", err)
	}
	before := g.trial.before
	if golden.Generation() != 0 {
		before.golden = golden
	}
	g.rolledBack = &RolledBack{
		Hash: g.trial.candidate.PolicyHash(), Digest: g.trial.digest, At: time.Now().Round(time.Second), Reason: reason,
	}
	g.trial = nil
	g.policies = g.policies[max(len(g.policies)-1, 0):]
	g.keepFrom(before)
	g.right = time.Now()
	g.news.cover(golden.Generation())
	g.log.Warn("a trial came to nothing", "cause", check.FirewallRolledBack, "reason", reason)
	return golden, nil
}
