package main

import (
	"context"
	"errors"

	"sallyport/check"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// open has the guard begin: with what the configuration asks for, with a trial that runs in the kernel, or with what the
// record says was in force last. What was refused of the configuration is nil where it is good.
func (p *guardProcess) open(ctx context.Context, first candidate, refused error) error {
	if refused == nil && !first.enforces() {
		p.log.Info("guarding", "mode", first.conf.Firewall.Mode, "table", "inet sallyport")
		p.leaveTrial(ctx)
		return p.take(ctx, first)
	}
	p.recorded(p.book.store.Make())
	defer p.lockRecord(ctx)()
	running := ""
	if live, err := p.live.Dump(ctx); err == nil {
		if _, onTrial := live.Trial(); onTrial {
			running = live.Ruleset().TrialHash()
		}
	}
	if refused == nil {
		first, refused = p.newest(first)
	}
	if refused != nil {
		p.log.Error("configuration rejected, what was in force last stays", "cause", check.ConfigRejected, "err", refused)
	}
	return p.openWith(ctx, first, refused, running)
}

// lockRecord takes the record's lock, where it can be had, and reads the record again: a command may have changed it since.
func (p *guardProcess) lockRecord(ctx context.Context) (unlock func()) {
	waiting, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	unlock, err := p.book.store.Lock(waiting)
	if err != nil {
		p.recorded(err)
		return func() {}
	}
	p.book.readOr(p.log)
	return unlock
}

// leaveTrial leaves a trial that the record tells of to the kernel, which ends it: who only observes can confirm none, and
// would otherwise wait for its end for ever.
func (p *guardProcess) leaveTrial(ctx context.Context) {
	if p.book.now().Trial == nil {
		return
	}
	defer p.lockRecord(ctx)()
	if known := p.book.now(); known.Trial != nil {
		p.recorded(p.book.rollsBack(*known.Expire().RolledBack))
	}
}

func (p *guardProcess) openWith(ctx context.Context, first candidate, refused error, running string) error {
	hash := ""
	if refused == nil {
		hash = first.ruleset.PolicyHash()
	}
	before := p.book.now()
	opening, record := before.Open(hash, running)
	if before.Trial != nil && record.Trial == nil {
		p.recorded(p.book.rollsBack(*record.RolledBack))
	}
	var err error
	switch opening {
	case guard.OpenConfigured:
		if err := p.rehearsed(ctx, first, record); err != nil {
			return p.openWith(ctx, first, err, running)
		}
		first.warn(ctx, p.log)
		if err = p.take(ctx, first); err == nil {
			p.recorded(p.book.commits(first))
		}
	case guard.OpenResumed:
		if err = p.resume(ctx, record); errors.Is(err, guard.ErrNoTrial) {
			return p.openWith(ctx, first, refused, "") // it has ended meanwhile
		}
	case guard.OpenCommitted, guard.OpenRolledBack:
		err = p.stay(ctx, record)
	default:
		err = refused
	}
	if err == nil {
		p.log.Info("guarding", "mode", "enforce", "table", "inet sallyport", "with", opening)
	}
	return err
}

// rehearsed sends packets through a candidate, as before every write. One whose policy was in force before had its
// rehearsal then: a boot need not wait for another.
func (p *guardProcess) rehearsed(ctx context.Context, first candidate, record guard.Record) error {
	if record.Committed != nil && record.Committed.Hash == first.ruleset.PolicyHash() {
		return nil
	}
	told, err := first.rehearse(ctx)
	if err != nil {
		p.log.Error("what the configuration asks for is not put in force", "err", err)
		return err
	}
	p.log.Info("rehearsed", "with", told)
	return nil
}

// errOlder says that a text which was handed over is not what was put in force last.
var errOlder = errors.New("another configuration than the one that this process was given was put in force last, and the " +
	"file has changed again since")

// newest is the candidate of what was put in force last, where an apply or a confirm has been since the text was handed over
// that this process was started with: that of the file, or an error where only the record still has it.
func (p *guardProcess) newest(first candidate) (candidate, error) {
	committed := p.book.now().Committed
	if committed == nil || committed.Digest == first.conf.Digest {
		return first, nil
	}
	switch next, err := p.opts.candidate(""); {
	case err == nil && next.conf.Digest == committed.Digest && next.enforces():
		return next, nil
	case err == nil && next.conf.Digest == first.conf.Digest: // it is of now
		return first, nil
	default:
		return candidate{}, errOlder
	}
}

// resume goes on with a trial that another process has begun.
func (p *guardProcess) resume(ctx context.Context, record guard.Record) error {
	if _, err := p.guard.SetOwnership(ctx, record.Trial.Ownership); err != nil {
		return err
	}
	committed, candidate, err := bothOf(record)
	if err != nil {
		return err
	}
	if committed != nil {
		p.holds(&record.Committed.Policy)
	}
	if err := p.know(ctx, record.Trial.Policy, p.inForce); err != nil {
		return err
	}
	trial, err := p.guard.Resume(ctx, committed, candidate, record.Trial.Digest, record.Trial.Within)
	if err != nil {
		return err
	}
	p.log.Warn("a trial is running, and goes on", "cause", check.FirewallTrial, "left", trial.Left)
	return nil
}

// stay keeps the committed policy of the record in force, where there is one, and says of the trial that came to nothing.
func (p *guardProcess) stay(ctx context.Context, record guard.Record) error {
	if _, err := p.guard.SetOwnership(ctx, record.Ownership); err != nil {
		return err
	}
	if record.Committed != nil {
		ruleset, err := record.Committed.Ruleset()
		if err != nil {
			return err
		}
		if err := p.know(ctx, record.Committed.Policy, nil); err != nil {
			return err
		}
		if err := p.guard.Put(ctx, ruleset, true); err != nil {
			return err
		}
		p.holds(&record.Committed.Policy)
	} else if err := p.takeOff(ctx); err != nil {
		return err
	}
	if record.RolledBack == nil {
		return nil
	}
	p.log.Warn("a trial came to nothing, the ruleset from before it stays", "cause", check.FirewallRolledBack,
		"what", record.RolledBack)
	return p.guard.Stay(ctx, *record.RolledBack)
}

// takeOff takes off what a trial over nothing has left.
func (p *guardProcess) takeOff(ctx context.Context) error {
	live, err := p.live.Dump(ctx)
	if errors.Is(err, kernel.ErrNoTable) || err == nil && live.Ruleset().TrialHash() == "" {
		return nil
	}
	if err != nil {
		return err
	}
	return p.live.Remove(ctx)
}
