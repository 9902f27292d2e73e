package netcheck

import (
	"context"
	"errors"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// maxDetail is how many characters of an error's own words a detail carries.
const maxDetail = 300

// Classify is the one function that turns an error into a cause, with what was seen in one sentence, in which untrusted
// text is escaped. The error's types decide, and where they do not, the phase in which it happened: a timeout is never
// blamed on a later layer, nor on an earlier one. No error has no cause; nor has a run that was given up by its caller,
// for which nobody is to blame. What no code fits is unknown.<layer>.
func Classify(err error) (check.Cause, string) {
	if err == nil {
		return "", ""
	}
	if cause, detail, ok := classifyTyped(err); ok {
		return cause, detail
	}
	if errors.Is(err, context.Canceled) {
		return "", "the run was given up before it ended"
	}
	if at, ok := errors.AsType[*phaseError](err); ok {
		return classifyPhase(at)
	}
	return check.Internal, cleanText(err.Error(), maxDetail)
}

// classifyTyped asks the types of error that carry their facts with them.
func classifyTyped(err error) (cause check.Cause, detail string, ok bool) {
	if told, ok := errors.AsType[*opinion](err); ok {
		return told.cause, told.words, true
	}
	if own, ok := errors.AsType[*ownCertificateError](err); ok {
		return check.TLSClientCertificate, own.Error(), true
	}
	if bad, ok := errors.AsType[*tlsprobe.CertificateError](err); ok {
		cause, detail = classifyCertificate(bad)
		return cause, detail, true
	}
	if failed, ok := errors.AsType[*tlsprobe.HandshakeError](err); ok {
		return classifyHandshake(failed), failed.Error(), true
	}
	if cause, detail, ok = classifyLDAP(err); ok {
		return cause, detail, true
	}
	if cause, detail, ok = classifyDiscovery(err); ok {
		return cause, detail, true
	}
	return classifyDNS(err)
}

// classifyPhase names an error by its number and the phase in which it happened.
func classifyPhase(at *phaseError) (check.Cause, string) {
	switch at.phase {
	case phaseConnect:
		return classifyConnect(at.err)
	case phaseDNS:
		return check.UnknownIn(check.LayerDNS), cleanText(at.err.Error(), maxDetail)
	case phaseProxy:
		return check.UnknownIn(check.LayerProxy), cleanText(at.err.Error(), maxDetail)
	case phaseHTTP:
		return classifyHTTP(at.err)
	case phaseTLS:
		return check.UnknownIn(check.LayerTLS), cleanText(at.err.Error(), maxDetail)
	default:
		return check.UnknownIn(check.LayerLDAP), cleanText(at.err.Error(), maxDetail)
	}
}
