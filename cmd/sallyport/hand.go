package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"sallyport/control"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// lockPatience is how long a command waits for another one, or for a guard that starts, to be done with the ruleset.
const lockPatience = 10 * time.Second

// hand changes what is in force where no guard runs, as a guard would. It holds the record's lock, where there can be one.
type hand struct {
	live  *kernel.Conn
	guard *guard.Guard
	book  *ledger

	unread error // why the record is not known; it was set aside then, if it could be
}

// errGuardCame says that a guard has started meanwhile, which is to be asked.
var errGuardCame = errors.New("a guard is starting")

// byHand has f change what is in force. It is errGuardCame where there is a guard after all.
func byHand(ctx context.Context, at places, f func(*hand) error) (err error) {
	waiting, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	h := &hand{book: newLedger(at.state)}
	switch unlock, err := h.book.store.Lock(waiting); {
	case err == nil:
		defer unlock()
	case errors.Is(err, guard.ErrBusy):
		return err
	}
	// Where no lock can be had, no record can be written either: what has to be recorded will fail by that.
	if guarded(ctx, at.runtime) {
		return errGuardCame
	}
	h.unread = h.book.read()
	if h.live, err = kernel.Open(); err != nil {
		return err
	}
	defer func() { _ = h.live.Close() }()
	h.live.SetOwnership(h.book.now().Ownership) // until this process ends: an orphan is left, for a later guard to adopt
	h.guard = guard.New(h.live, slog.New(slog.DiscardHandler))
	return f(h)
}

// guarded says whether a guard listens, or begins to.
func guarded(ctx context.Context, runtime string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(runtime, control.GuardSocket))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// asking asks the guard, and does it by hand where none runs.
func asking(ctx context.Context, at places, ask func(socket string) error, otherwise func(*hand) error) error {
	socket := filepath.Join(at.runtime, control.GuardSocket)
	err := ask(socket)
	if !errors.Is(err, control.ErrNoServer) {
		return err
	}
	if err = byHand(ctx, at, otherwise); errors.Is(err, errGuardCame) {
		return ask(socket)
	}
	return err
}

// put puts a candidate in force at once. That it cannot be recorded is told before, and no reason to leave the host open.
func (h *hand) put(ctx context.Context, next candidate, force bool, warn func(error)) error {
	if err := h.untried(ctx); err != nil {
		return err
	}
	if h.unread != nil {
		warn(h.unread)
	}
	unwritable := h.book.writable()
	if unwritable != nil {
		warn(unwritable)
	}
	if err := next.mayComeIn(ctx, force); err != nil {
		return err
	}
	h.live.SetOwnership(next.ownership())
	if _, err := h.live.ApplyRehearsed(ctx, next.taught(ctx)); err != nil {
		return err
	}
	if err := h.book.commits(next); err != nil && unwritable == nil {
		return fmt.Errorf("%w: %w", errUnrecorded, err)
	}
	return nil
}

// untried cleans up after a trial that is over, and refuses while one runs.
func (h *hand) untried(ctx context.Context) error {
	switch err := h.settle(ctx); {
	case errors.Is(err, guard.ErrNoTrial):
		return nil
	case err != nil:
		return err
	}
	return guard.ErrTrialRuns
}

// settle has the guard take up the trial that the record tells of: nil where it runs, guard.ErrNoTrial where none does. One
// that is over is cleaned up after, which a *guard.RolledBackError tells, as it does of one from before.
func (h *hand) settle(ctx context.Context) error {
	if h.unread != nil {
		return errors.Join(guard.ErrNoTrial, h.unread)
	}
	record := h.book.now()
	live, err := h.live.Dump(ctx)
	if err != nil && !errors.Is(err, kernel.ErrNoTable) {
		return err
	}
	_, running := live.Trial()
	left := live.Ruleset().TrialHash()
	if record.Trial == nil {
		switch {
		case running:
			return fmt.Errorf("a trial is running that %s does not tell of: wait until it is over", h.book.store.Path())
		case record.RolledBack != nil:
			return &guard.RolledBackError{RolledBack: *record.RolledBack}
		}
		return guard.ErrNoTrial
	}
	committed, candidate, err := bothOf(record)
	if err != nil {
		return err
	}
	candidate = taught(ctx, record.Trial.Policy, candidate) // for confirm, which writes it
	_, err = h.guard.Resume(ctx, committed, candidate, record.Trial.Digest, record.Trial.Within)
	if !errors.Is(err, guard.ErrNoTrial) {
		return err
	}
	if left == record.Trial.Hash { // otherwise the table is not the trial's any more: another boot, or another's doing
		if err := h.restore(ctx, committed); err != nil {
			return err
		}
	}
	over := *record.Expire().RolledBack
	if err := h.book.rollsBack(over); err != nil {
		return fmt.Errorf("%w: %w", errUnrecorded, err)
	}
	return &guard.RolledBackError{RolledBack: over}
}

// bothOf are the rulesets of a trial: the committed one is nil where nothing was in force.
func bothOf(record guard.Record) (committed *firewall.Ruleset, candidate firewall.Ruleset, err error) {
	if record.Committed != nil && !record.Trial.Open {
		ruleset, err := record.Committed.Ruleset()
		if err != nil {
			return nil, firewall.Ruleset{}, err
		}
		committed = &ruleset
	}
	candidate, err = record.Trial.Ruleset()
	return committed, candidate, err
}

// restore puts in force what was before a trial.
func (h *hand) restore(ctx context.Context, committed *firewall.Ruleset) error {
	if committed == nil {
		return h.live.Remove(ctx)
	}
	_, err := h.live.ApplyRehearsed(ctx, *committed)
	return err
}

// try puts a candidate on trial.
func (h *hand) try(ctx context.Context, next candidate, within time.Duration, force bool) (guard.Trial, error) {
	if err := h.untried(ctx); err != nil {
		return guard.Trial{}, err
	}
	if err := next.mayComeIn(ctx, force); err != nil {
		return guard.Trial{}, err
	}
	if h.unread != nil {
		return guard.Trial{}, h.unread
	}
	open, err := h.adopt(ctx, next)
	if err != nil {
		return guard.Trial{}, err
	}
	before := h.book.now()
	if err := h.book.tries(next, within, open); err != nil {
		return guard.Trial{}, err
	}
	h.live.SetOwnership(next.ownership())
	trial, err := h.guard.Begin(ctx, next.taught(ctx), next.conf.Digest, within)
	if err != nil {
		return guard.Trial{}, errors.Join(err, h.book.change(func(r *guard.Record) { *r = before }))
	}
	return trial, nil
}

// adopt tells the guard what is in force: nothing, or what the record says. A table of which the record does not tell is
// none that a trial could go back to.
func (h *hand) adopt(ctx context.Context, next candidate) (open bool, err error) {
	live, err := h.live.Dump(ctx)
	switch {
	case errors.Is(err, kernel.ErrNoTable):
		return true, nil
	case err != nil:
		return false, err
	}
	hash := live.Ruleset().PolicyHash()
	if committed := h.book.now().Committed; committed != nil && (committed.Hash == hash || hash == "") {
		ruleset, err := committed.Ruleset()
		if err != nil {
			return false, err
		}
		return false, h.guard.Adopt(ctx, ruleset)
	}
	if hash == next.ruleset.PolicyHash() { // nothing changes, but for what has drifted
		return false, errors.Join(h.book.commits(next), h.guard.Adopt(ctx, next.ruleset))
	}
	return false, fmt.Errorf("the table inet %s is in force, and %s does not tell of which policy: a trial could not go "+
		"back to it; apply with --now, or remove the table with `sallyport remove`", firewall.Table, h.book.store.Path())
}

// end ends the trial that runs.
func (h *hand) end(ctx context.Context, verb control.Verb) error {
	if h.unread != nil {
		return fmt.Errorf("whether a trial runs cannot be told: %w", h.unread)
	}
	if err := h.settle(ctx); err != nil {
		return err
	}
	if verb == control.VerbConfirm {
		if err := h.guard.Confirm(ctx); err != nil {
			return err
		}
		return unrecorded(h.book.confirms())
	}
	over := guard.RolledBack{
		Hash: h.book.now().Trial.Hash, Digest: h.book.now().Trial.Digest, At: time.Now().UTC().Round(time.Second),
		Reason: guard.TakenBack,
	}
	if err := h.guard.Rollback(ctx); err != nil {
		return err
	}
	return unrecorded(h.book.rollsBack(over))
}

func unrecorded(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errUnrecorded, err)
	}
	return nil
}
