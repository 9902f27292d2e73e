package netcheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sallyport/check"
	"sallyport/netcheck/directory"
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
	turn := r.Refused.turn(r.BindDN)
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return a.timed(phaseBind, func() error { return noTurn(ctx) })
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

func noTurn(ctx context.Context) error {
	e := &directory.Error{Operation: directory.OpBind, Code: directory.CodeNone, Err: ctx.Err()}
	if !errors.Is(ctx.Err(), context.Canceled) {
		e.Cause, e.Detail = check.LDAPTimeout, "not tried in time: the bind at another address took too long"
	}
	return e
}

// bindOnce sends the password, and remembers when it is refused. It must be called in the user's turn.
func (r *ldapsRun) bindOnce(ctx context.Context, a *attempt, session *directory.Session, seen *LDAPServerEvidence) error {
	if before, ok := r.Refused.find(r.BindDN, r.secret); ok {
		return &directory.Error{Cause: check.LDAPNotRetried, Operation: directory.OpBind,
			Code: directory.CodeNone, Detail: fmt.Sprintf(
				"held back, so as not to lock the account: %s refused this password (%s) at %s", before.by, before.cause,
				before.since.UTC().Format(time.RFC3339))}
	}
	part, cancel := context.WithTimeout(ctx, share(ctx, 1, 2))
	defer cancel()
	err := session.Bind(part, r.BindDN, r.secret)
	seen.noteBind(err)
	refused, ok := errors.AsType[*directory.Error](err)
	if !ok || refused.Code != directory.ResultInvalidCredentials {
		return err
	}
	r.refusedNow = a.address.String()
	if refused.BlamesSecret() {
		r.Refused.add(r.BindDN, r.secret, refusal{since: time.Now(), cause: refused.Cause, by: r.refusedNow})
	}
	return err
}
