package netcheck

import (
	"sallyport/check"
	"sallyport/tlsprobe"
)

// Classify is the one function that turns an error into a cause, with what was seen in one sentence. Errors of the
// layers dns and ldap are known by their types, in dns_*.go and ldaps_*.go:
//
//	func classifyDNS(err error) (cause check.Cause, detail string, ok bool)
//	func classifyLDAP(err error) (cause check.Cause, detail string, ok bool)
func Classify(err error) (check.Cause, string) {
	if cause, detail, ok := classifyLDAP(err); ok {
		return cause, detail
	}
	if cause, detail, ok := classifyDNS(err); ok {
		return cause, detail
	}
	return check.Internal, err.Error()
}

// statusOf is what a finding of a certificate means for a check.
func statusOf(s tlsprobe.Severity) check.Status {
	if s == tlsprobe.Minor {
		return check.Warn
	}
	return check.Fail
}

// causeOf is the cause that a problem of a certificate is reported as.
func causeOf(p tlsprobe.Problem) check.Cause {
	switch p {
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
	default:
		return check.UnknownIn(check.LayerCertificate)
	}
}

// remedyFor is what to do about a cause at a target: one sentence.
func remedyFor(cause check.Cause, target string) string {
	return "see sallyport explain " + string(cause) + " for " + target
}
