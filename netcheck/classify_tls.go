package netcheck

import (
	"sallyport/check"
	"sallyport/tlsprobe"
)

// classifyHandshake is the cause of a handshake that failed otherwise than by its certificates.
func classifyHandshake(e *tlsprobe.HandshakeError) check.Cause {
	switch e.Failure {
	case tlsprobe.FailedCanceled:
		return ""
	case tlsprobe.FailedTimeout:
		return check.TLSTimeout
	case tlsprobe.FailedClosed:
		return check.TLSClosed
	case tlsprobe.FailedReset:
		return check.TLSReset
	case tlsprobe.FailedNotTLS:
		return check.TLSNotTLS
	case tlsprobe.FailedVersion:
		return check.TLSVersion
	case tlsprobe.FailedCipher:
		return check.TLSCipher
	case tlsprobe.FailedAlert:
		return check.TLSAlert
	case tlsprobe.FailedNoCertificate, tlsprobe.FailedClientCertificate:
		return check.TLSClientCertificate
	case tlsprobe.FailedMalformed:
		return check.TLSMalformed
	default:
		return check.UnknownIn(check.LayerTLS)
	}
}

func classifyCertificate(e *tlsprobe.CertificateError) (check.Cause, string) {
	finding, ok := e.Verdict.Headline()
	if !ok {
		return check.UnknownIn(check.LayerCertificate), e.Error()
	}
	return causeOf(finding.Problem), finding.Words
}

// statusOf is what a finding means for a check: what ends within the time to warn is a warning, a note is nothing to
// act on, the rest fails.
func statusOf(s tlsprobe.Severity) check.Status {
	switch s {
	case tlsprobe.Minor:
		return check.Warn
	case tlsprobe.Note:
		return check.OK
	default:
		return check.Fail
	}
}

// causeOf is the cause that a problem of a certificate is reported as; none for what is only noted.
func causeOf(p tlsprobe.Problem) check.Cause {
	switch p {
	case tlsprobe.NoCertificate:
		return check.TLSMalformed // no suite that we offer goes without (RFC 8446 section 4.4.2)
	case tlsprobe.Expired:
		return check.CertExpired
	case tlsprobe.Expiring:
		return check.CertExpiring
	case tlsprobe.NotYetValid:
		return check.CertNotYetValid
	case tlsprobe.ChainExpired:
		return check.CertChainExpired
	case tlsprobe.NameMismatch:
		return check.CertNameMismatch
	case tlsprobe.Intercepted:
		return check.CertIntercepted
	case tlsprobe.PinMismatch:
		return check.CertPinMismatch
	case tlsprobe.SelfSigned:
		return check.CertSelfSigned
	case tlsprobe.UnknownAuthority:
		return check.CertUnknownAuthority
	case tlsprobe.IncompleteChain:
		return check.CertIncompleteChain
	case tlsprobe.WeakKey:
		return check.CertWeakKey
	case tlsprobe.WeakSignature:
		return check.CertWeakSignature
	case tlsprobe.Usage:
		return check.CertUsage
	case tlsprobe.Disorder, tlsprobe.Surplus:
		return ""
	default:
		return check.UnknownIn(check.LayerCertificate)
	}
}
