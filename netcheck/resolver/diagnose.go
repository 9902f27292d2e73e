package resolver

import (
	"context"
	"errors"
	"net"

	"sallyport/check"
	"sallyport/netcheck/plain"
)

// Diagnose says why Go's resolver failed with err for host: it asks the servers of resolv.conf itself, for the
// resolver's own error tells a missing name from a missing record no better than a refusal from a failure. It ends
// with ctx; when nothing is left of it, or the servers now answer, err's own words decide.
func Diagnose(ctx context.Context, host string, err error) *Error {
	return diagnoseBy(ctx, ConfPath, 0, host, err)
}

// diagnoseBy is Diagnose for a resolv.conf at path whose servers listen on port, 0 for the usual one.
func diagnoseBy(ctx context.Context, path string, port uint16, host string, err error) *Error {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	conf, confErr := ReadConf(path)
	if confErr != nil {
		return &Error{Cause: check.DNSNoResolver, Name: plain.Text(host, MaxText), Err: confErr}
	}
	question, nameErr := NewQuestion(conf.Names(host)[0], "A")
	if nameErr != nil {
		return &Error{Cause: check.DNSNXDomain, Name: plain.Text(host, MaxText), Err: nameErr}
	}
	if ctx.Err() == nil {
		if told := firstTold(AskAll(ctx, conf.at(port).Exchangers(), question, Want{})); told != nil {
			return told
		}
	}
	return ownWords(host, err)
}

// firstTold is the error that a stub resolver would end with: the first definite one, else the first one. It is nil
// when a server answers well.
func firstTold(answers []Answer) *Error {
	var first *Error
	for _, a := range answers {
		switch {
		case a.Err == nil:
			return nil
		case a.Err.Cause == "":
			continue // cancelled
		case a.Err.Definite() && a.Err.Cause != check.DNSMismatch:
			return a.Err
		case first == nil:
			first = a.Err
		}
	}
	return first
}

// ownWords is the resolver's own error as an Error.
func ownWords(host string, err error) *Error {
	if theirs, ok := errors.AsType[*net.DNSError](err); ok {
		return Told(host, theirs)
	}
	e := &Error{Cause: check.DNSServFail, Name: plain.Text(host, MaxText), Err: err}
	if isTimeout(err) {
		e.Cause = check.DNSTimeout
	}
	return e
}
