package netcheck

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"sallyport/check"
	"sallyport/netcheck/dial"
)

// openAs has the proxy open the tunnel for the user. A password that it has refused is not sent again: it may be that of an
// account of a directory, which too many of them lock.
func (v *via) openAs(ctx context.Context, from dial.Options) (net.Conn, error) {
	if strings.Contains(v.User, ":") {
		return nil, v.unauthorized(errors.New("the user has a colon, which Basic authentication cannot carry"))
	}
	secret, err := readSecret(v.PasswordFile)
	if err != nil {
		return nil, v.unauthorized(err)
	}
	ctx, settle, err := v.begin(ctx, secret)
	if err != nil {
		return nil, v.unauthorized(err)
	}
	conn, err := dial.TCP(ctx, v.used, from)
	if err != nil {
		settle(saysNothing)
		return nil, v.unreached(err)
	}
	as := dial.Basic{User: v.User, Password: secret.text}
	opened, _, err := v.tunnel.Open(ctx, conn, as)
	settle(cameOf(err))
	if err != nil {
		return nil, v.refused(err)
	}
	v.as = as // for a second connection of this run
	return opened, nil
}

// cameOf is what a proxy's answer says of the password. Silence says nothing: proxies ask about the user first, and then
// connect, for which they take their time.
func cameOf(err error) outcome {
	told, ok := errors.AsType[*dial.ProxyError](err)
	switch {
	case err == nil:
		return wasAccepted
	case ok && told.Answer.Status == http.StatusProxyAuthRequired:
		return wasRefused
	default:
		return saysNothing
	}
}

// begin is called before the password is sent; what came of it must be settled. A password that never has succeeded is
// sent by one check at a time, in half of its time, so that it is refused once, and others still get their turn.
func (v *via) begin(ctx context.Context, s secret) (context.Context, func(outcome), error) {
	if v.Refused == nil {
		return ctx, func(outcome) {}, nil
	}
	a := v.Refused.ofProxy(v.Proxy)
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, errors.New("another check tries the same one for too long")
	}
	leave := func() { <-a.turn }
	at := v.String()
	if a.good[at] == a.mac(s) {
		leave()
		return ctx, func(came outcome) {
			if came == wasRefused {
				a.refuse(ctx, at, v.used.String(), s)
			}
		}, nil
	}
	t, err := a.begin(ctx, at, v.used.String(), s)
	if err != nil {
		leave()
		return nil, nil, err
	}
	part, cancel := context.WithTimeout(ctx, share(ctx, 1, 2))
	return part, func(came outcome) {
		t.settle(came, check.ProxyAuth)
		leave()
		cancel()
	}, nil
}

// refuse writes down that a password which was good is refused now.
func (a *account) refuse(ctx context.Context, at, by string, s secret) {
	a.turn <- struct{}{} // whoever has it gives it back in time
	defer func() { <-a.turn }()
	delete(a.good, at)
	if t, err := a.begin(ctx, at, by, s); err == nil {
		t.settle(wasRefused, check.ProxyAuth)
	}
}

func (v *via) unauthorized(err error) error {
	return &opinion{cause: check.ProxyAuth, err: err,
		words: v.name() + " asks for a password, and none was sent: " + cleanText(err.Error(), maxDetail)}
}
