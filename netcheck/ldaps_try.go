package netcheck

import (
	"context"
	"errors"
	"time"

	"sallyport/check"
	"sallyport/netcheck/directory"
	"sallyport/netcheck/memory"
)

// try is one password on its way to one address, with the account locked against other processes.
type try struct {
	*account
	secret  secret
	what    tried
	marked  bool
	release func()
}

// begin is called, in the user's turn, before a password is sent: it looks whether it may be, and writes down that it
// will be, where it never has succeeded. The error is an errHeld, or memory.ErrBusy where another process did not let go of
// the account in time.
func (a *account) begin(ctx context.Context, at, address string, s secret) (*try, error) {
	good := a.good[at] == a.mac(s)
	release, err := a.lock(ctx, good)
	if err != nil {
		return nil, err
	}
	t := &try{account: a, secret: s, release: release}
	if err := a.recall(); err != nil && !good {
		release()
		return nil, &errHeld{err: err}
	}
	now := time.Now()
	t.what = tried{At: at, By: address, Since: now, Stamp: s.stamp}
	if before, held := a.book.held(at, address, a.is(s), now); held {
		release()
		return nil, &errHeld{tried: before}
	}
	if good || a.book.accepts(at, a.is(s)) {
		return t, nil
	}
	t.what.Digest = a.digestOf(s)
	if err := a.save(a.book.marked(t.what)); err != nil {
		a.book, a.unsaved = a.book.unmarked(at), false
		release()
		return nil, &errHeld{err: err}
	}
	t.marked = true
	return t, nil
}

// lock has the account against other processes. A password that is known to be good is not kept from its directory by
// another process for long.
func (a *account) lock(ctx context.Context, good bool) (release func(), err error) {
	if !a.file.Folder.Kept() {
		return func() {}, nil
	}
	if good {
		part, cancel := context.WithTimeout(ctx, share(ctx, 1, 4))
		defer cancel()
		ctx = part
	}
	release, err = a.file.Lock(ctx)
	switch {
	case err == nil:
		return release, nil
	case good:
		return func() {}, nil
	case errors.Is(err, memory.ErrBusy):
		return nil, err
	default:
		return nil, &errHeld{err: err}
	}
}

// outcome is what came of a password that was sent.
type outcome uint8

const (
	saysNothing outcome = iota // what was answered says nothing of the password, or it was not sent
	wasAccepted
	wasRefused
	wasUnanswered
)

// end writes down what came of a bind, and lets go of the account.
func (t *try) end(session *directory.Session, err error) {
	told, _ := errors.AsType[*directory.Error](err)
	switch {
	case err == nil:
		t.settle(wasAccepted, "")
	case told != nil && told.Code == directory.ResultInvalidCredentials && told.BlamesSecret():
		t.settle(wasRefused, told.Cause)
	case told != nil && told.Code < 0 && session.Asked():
		t.settle(wasUnanswered, "")
	default:
		t.settle(saysNothing, "")
	}
}

// settle writes down what came of it, and lets go of the account. Where that cannot be written it counts in this process,
// and the mark in others.
func (t *try) settle(came outcome, cause check.Cause) {
	defer t.release()
	switch {
	case came == wasAccepted:
		t.accepted()
	case came == wasRefused:
		delete(t.good, t.what.At)
		t.what.Digest, t.what.Cause = t.digestOf(t.secret), cause
		_ = t.save(t.book.refused(t.what, t.is(t.secret)))
	case !t.marked: // it has succeeded before
	case came == wasUnanswered:
		_ = t.save(t.book.unanswered(t.what))
	default:
		_ = t.save(t.book.unmarked(t.what.At))
	}
}

// accepted writes down that the user was bound, where that is not written yet.
func (t *try) accepted() {
	t.good[t.what.At] = t.mac(t.secret)
	known := t.secret.stamp == stamp{} || t.book.accepts(t.what.At, t.is(t.secret))
	if t.marked || !known {
		_ = t.save(t.book.accepted(t.what))
	}
}
