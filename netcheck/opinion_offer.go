package netcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// whatItTakes asks a server that found nothing in common with this probe what it would take: first of what the service's
// own client offers, of which the probe cannot do everything, then of anything. The error is of the first handshake,
// with more words, or of the certificate that the service would see.
func (a *attempt) whatItTakes(ctx context.Context, options tlsprobe.Options, failed *tlsprobe.HandshakeError) error {
	if options.Like != nil {
		facts, err := a.ask(ctx, options, options.Like.Question())
		if err == nil && facts.Version >= tls.VersionTLS12 {
			return a.served(options.Like, facts, failed)
		}
	}
	facts, err := a.ask(ctx, options, tlsprobe.Anything())
	if err != nil {
		return failed
	}
	told := &opinion{cause: classifyHandshake(failed), err: failed}
	switch {
	case facts.Version < tls.VersionTLS12:
		a.facts = facts
		told.cause = check.TLSLegacy
		told.words = "the server speaks nothing newer than " + tls.VersionName(facts.Version)
		if like := options.Like; like != nil && like.Profile().Offers(facts.Version) {
			told.words += ", which " + like.Profile().Name + " takes all the same"
		}
	case !offers(options, facts.Version):
		told.words = failed.Error() + "; the server takes " + chosen(facts) + ", and that version is not offered"
	default:
		told.words = failed.Error() + "; the server takes " + chosen(facts)
	}
	return told
}

// served is the finding about a server that would serve the service's own client, only not this probe. Nothing that
// comes after the server's choice was tried, so it is a warning. Where the probe could have done what the server chose,
// its limits are not what failed.
func (a *attempt) served(like *tlsprobe.Like, facts tlsprobe.Facts, failed *tlsprobe.HandshakeError) error {
	if like.Does(facts) {
		return failed
	}
	a.facts = facts
	if len(facts.Certificates) > 0 && !facts.Verdict.Trusted() {
		return &tlsprobe.CertificateError{Verdict: facts.Verdict}
	}
	words := "the server takes " + chosen(facts) + ", which " + like.Profile().Name + " offers and this probe cannot do: "
	if len(facts.Certificates) > 0 {
		words += "the certificate that it shows is in order, the rest was not tried"
	} else {
		words += "its certificate was not seen"
	}
	return &opinion{status: check.Warn, cause: classifyHandshake(failed), words: words, err: failed}
}

// unoffered makes sure that the service's own client would be served where the server chose a suite for this probe that
// the client does not offer: of TLS 1.3, crypto/tls offers all suites that it has. Nil is that it would, or that the
// server did not say.
func (a *attempt) unoffered(ctx context.Context, options tlsprobe.Options) error {
	like := options.Like
	if like == nil || slices.Contains(like.Profile().Suites, a.facts.Suite) {
		return nil
	}
	_, err := a.ask(ctx, options, like.Question())
	failed, ok := errors.AsType[*tlsprobe.HandshakeError](err)
	if !ok || failed.Failure != tlsprobe.FailedCipher && failed.Failure != tlsprobe.FailedVersion {
		return nil
	}
	return &opinion{cause: classifyHandshake(failed), err: failed, words: failed.Error() + ", for " + like.Profile().Name +
		": it takes " + chosen(a.facts) + ", which that does not offer"}
}

// ask puts a question on a new connection. An error is that the server made no choice.
func (a *attempt) ask(ctx context.Context, options tlsprobe.Options, q tlsprobe.Question) (tlsprobe.Facts, error) {
	ctx, cancel := context.WithTimeout(ctx, share(ctx, 1, 2))
	defer cancel()
	conn, err := a.dialAgain(ctx)
	if err != nil {
		return tlsprobe.Facts{}, err
	}
	return tlsprobe.Ask(ctx, conn, q, options)
}

// offers says whether the handshake that failed offered the version.
func offers(options tlsprobe.Options, version uint16) bool {
	if options.Like == nil {
		return slices.Contains([]uint16{tls.VersionTLS12, tls.VersionTLS13}, version)
	}
	return options.Like.Profile().Offers(version)
}

// chosen is what a server chose, in words.
func chosen(f tlsprobe.Facts) string {
	text := tls.VersionName(f.Version) + " with " + tlsprobe.SuiteName(f.Suite)
	if f.Group != 0 {
		text += " and the group " + tlsprobe.GroupName(f.Group)
	}
	return text
}
