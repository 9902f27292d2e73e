package netcheck

import (
	"context"
	"errors"

	"sallyport/check"
	"sallyport/netcheck/directory"
	"sallyport/netcheck/memory"
)

func (r *ldapsRun) withoutSecret() error {
	return &directory.Error{Cause: check.LDAPInvalidCredentials, Operation: directory.OpBind, Code: directory.CodeNone,
		Err:    r.secretErr,
		Detail: "not tried: " + cleanText(r.secretErr.Error(), maxLDAPText)}
}

// bind binds the user when it is this address's turn, unless the password has been refused before.
func (r *ldapsRun) bind(ctx context.Context, a *attempt, session *directory.Session, seen *LDAPServerEvidence) error {
	switch {
	case r.SASLExternal:
		return a.timed(phaseBind, func() error { return r.bindExternal(ctx, session, seen) })
	case r.BindDN == "":
		return a.timed(phaseBind, func() error {
			err := session.Bind(ctx, "", "")
			seen.noteBind(err)
			return err
		})
	}
	select {
	case r.account.turn <- struct{}{}:
		defer func() { <-r.account.turn }()
	case <-ctx.Done():
		return a.timed(phaseBind, func() error { return noTurn(ctx, "the bind at another address took too long") })
	}
	if r.refusedNow != "" {
		a.skipped = "not bound: " + r.refusedNow + " has just refused the user"
		return nil
	}
	return a.timed(phaseBind, func() error { return r.bindOnce(ctx, a, session, seen) })
}

// bindExternal has the client certificate bind, and asks who that is. A directory that does not tell is well too.
func (r *ldapsRun) bindExternal(ctx context.Context, session *directory.Session, seen *LDAPServerEvidence) error {
	err := session.BindExternal(ctx)
	seen.noteBind(err)
	if err != nil {
		return err
	}
	seen.Identity, err = session.WhoAmI(ctx)
	if told, ok := errors.AsType[*directory.Error](err); ok && told.Code >= 0 {
		return nil
	}
	return err
}

func noTurn(ctx context.Context, why string) error {
	e := &directory.Error{Operation: directory.OpBind, Code: directory.CodeNone, Err: ctx.Err()}
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.Cause, e.Detail = check.LDAPTimeout, "not tried in time: "+why
	}
	return e
}

// bindOnce sends the password, unless it is held back, and remembers what came of it. It must be called in the user's turn.
func (r *ldapsRun) bindOnce(ctx context.Context, a *attempt, session *directory.Session, seen *LDAPServerEvidence) error {
	try, err := r.account.begin(ctx, r.place, a.address.String(), r.secret)
	if errors.Is(err, memory.ErrBusy) {
		return noTurn(ctx, "another process binds as the same user for too long")
	}
	if err != nil {
		return &directory.Error{Cause: check.LDAPNotRetried, Operation: directory.OpBind, Code: directory.CodeNone, Err: err,
			Detail: err.Error()}
	}
	part, cancel := context.WithTimeout(ctx, share(ctx, 1, 2))
	defer cancel()
	err = session.Bind(part, r.BindDN, r.secret.text)
	try.end(session, err)
	seen.noteBind(err)
	if told, ok := errors.AsType[*directory.Error](err); ok && told.Code == directory.ResultInvalidCredentials {
		r.refusedNow = a.address.String()
	}
	return err
}
