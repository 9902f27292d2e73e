package netcheck

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// idleWait is how long a second connection waits, saying nothing, for a reset that nothing provoked.
const idleWait = 300 * time.Millisecond

// opinion is what a second connection told about a handshake that failed on the first.
type opinion struct {
	status check.Status // Warn where only this probe has failed; the zero value is Fail
	cause  check.Cause
	words  string
	err    error // of the first handshake
}

func (o *opinion) Error() string { return o.words }
func (o *opinion) Unwrap() error { return o.err }

// secondOpinion asks again, on a new connection and in another way, where one failed handshake alone leaves the cause
// open. It trusts nothing: whatever the second connection is told, the attempt has failed. The error is an *opinion,
// or the first handshake's own.
func (a *attempt) secondOpinion(ctx context.Context, options tlsprobe.Options, first error) error {
	var told *opinion
	_, untrusted := errors.AsType[*tlsprobe.CertificateError](first)
	failed, _ := errors.AsType[*tlsprobe.HandshakeError](first)
	switch {
	case untrusted:
		told = a.byTheirClock(ctx, options)
	case failed == nil:
	case failed.Failure == tlsprobe.FailedReset && failed.Received == 0:
		told = a.resetAtOnce(ctx)
	case failed.Failure == tlsprobe.FailedTimeout && failed.Received == 0 && options.Like == nil: // else it was small
		told = a.helloDropped(ctx, options)
	case failed.Failure == tlsprobe.FailedVersion, failed.Failure == tlsprobe.FailedCipher:
		return a.whatItTakes(ctx, options, failed)
	}
	if told == nil {
		return first
	}
	told.err = first
	return told
}

// resetAtOnce connects and says nothing. A reset then is no answer to a ClientHello: whoever accepts there throws
// everybody out. On the first connection the two look the same, for the ClientHello is on its way before the reset.
func (a *attempt) resetAtOnce(ctx context.Context) *opinion {
	conn, err := a.reconnect(ctx)
	if err == nil {
		defer func() { _ = conn.Close() }()
		if err = conn.SetReadDeadline(time.Now().Add(min(idleWait, share(ctx, 1, 2)))); err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return &opinion{cause: check.ConnectReset, words: "the connection is accepted and reset at once, before a word is said"}
}

// helloDropped offers a ClientHello that fits one packet, as a JVM sends it. Any answer to it tells that the large one
// is dropped on the way; it must come in a third of the time that the large one was given, lest a server that is merely
// slow be taken for a middlebox. And a large one must fail once more, lest one lost packet be.
func (a *attempt) helloDropped(ctx context.Context, options tlsprobe.Options) *opinion {
	waited := a.facts.Duration
	options.Offer = tlsprobe.OfferSmall
	start := time.Now()
	facts, answered := a.again(ctx, options)
	took := time.Since(start)
	if !answered || took > waited/3 {
		return nil
	}
	options.Offer = tlsprobe.OfferDefault
	once, cancel := context.WithTimeout(ctx, min(3*took+idleWait, share(ctx, 3, 4)))
	defer cancel()
	if _, answered := a.again(once, options); answered {
		return nil
	}
	a.facts = facts
	return &opinion{cause: check.TLSHelloDropped, words: fmt.Sprintf("no answer to a large (post-quantum) ClientHello "+
		"in %v, but an answer to a small one in %v", roughly(waited), roughly(facts.Duration))}
}

// afterHandshake explains the error of the first read. An alert says by itself that it is about the client certificate; a
// server that hangs up may do so for what was asked. One that hangs up on a client that says nothing does not.
func (a *attempt) afterHandshake(ctx context.Context, err error) error {
	explained := a.facts.AfterHandshake(err)
	failed, ok := errors.AsType[*tlsprobe.HandshakeError](explained)
	if !ok || failed.Alert != 0 || a.hangsUp(ctx) {
		return explained
	}
	return err
}

// hangsUp says whether the server ends a connection after the handshake for the client's certificate, unasked.
func (a *attempt) hangsUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, share(ctx, 3, 4))
	defer cancel()
	conn, err := a.dialAgain(ctx)
	if err != nil {
		return false
	}
	options := a.options
	options.AwaitAlert = min(alertWait, share(ctx, 1, 2))
	_, session, err := tlsprobe.Handshake(ctx, conn, options)
	if session != nil {
		_ = session.Close()
	}
	failed, ok := errors.AsType[*tlsprobe.HandshakeError](err)
	return ok && classifyHandshake(failed) == check.TLSClientCertificate
}

// again shakes hands on a new connection, which is closed, and says whether the server answered with anything at all.
func (a *attempt) again(ctx context.Context, options tlsprobe.Options) (tlsprobe.Facts, bool) {
	conn, err := a.dialAgain(ctx)
	if err != nil {
		return tlsprobe.Facts{}, false
	}
	defer func() { _ = conn.Close() }()
	options.AwaitAlert = 0
	facts, _, _ := tlsprobe.Handshake(ctx, conn, options) // good or bad, what was received is the answer
	return facts, facts.Received > 0
}

// roughly is a duration with two or three digits, for a sentence.
func roughly(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	default:
		return d
	}
}
