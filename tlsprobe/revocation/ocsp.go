package revocation

import (
	"crypto/x509"
	"errors"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"sallyport/tlsprobe"
)

// MaxOCSP is how many bytes of an OCSP response are read. Real ones have 300 bytes to 4 KiB.
const MaxOCSP = 64 << 10

// JudgeOCSP reads an OCSP response (RFC 6960) about cert, which issuer signed: at now, by the issuer or by whom it
// appointed, about this certificate and no other. A responder's own certificate is not asked for in turn: authorities
// mark it so (id-pkix-ocsp-nocheck, section 4.2.2.2.1), or make it short-lived. The source of the answer is left to the
// caller. The error is an *Error.
func JudgeOCSP(der []byte, cert, issuer *x509.Certificate, now time.Time) (Answer, error) {
	if len(der) > MaxOCSP {
		return Answer{}, wrong(TooLarge, "more than %d bytes", MaxOCSP)
	}
	parts, bad := splitOCSP(der)
	if bad != nil {
		return Answer{}, bad
	}
	if bad := parts.names(cert, issuer); bad != nil {
		return Answer{}, bad
	}
	response, err := ocsp.ParseResponseForCert(parts.bare, cert, nil)
	if err != nil {
		return Answer{}, wrong(Malformed, "%s", quote(err.Error()))
	}
	if bad := signer(response, parts.certs, issuer, now); bad != nil {
		return Answer{}, bad
	}
	answer := Answer{Produced: response.ThisUpdate, NextUpdate: response.NextUpdate}
	if bad := answer.inForce(now); bad != nil {
		return Answer{}, bad
	}
	switch response.Status {
	case ocsp.Good:
		answer.Status = Good
	case ocsp.Revoked:
		if response.RevokedAt.IsZero() { // what the library makes of no status at all
			return Answer{}, wrong(Malformed, "it has no status")
		}
		answer.Status, answer.RevokedAt, answer.Reason = Revoked, response.RevokedAt, reasonOf(response.RevocationReason)
	default:
		return Answer{}, wrong(NotKnown, "the responder does not know the certificate")
	}
	return answer, nil
}

func reasonOf(n int) Reason {
	if n < 0 || n > 255 {
		return 0
	}
	return Reason(n)
}

// signer says what is wrong with who signed the response; nil when it was the issuer, or a certificate that the issuer
// made for it (RFC 6960 section 4.2.2.2).
func signer(response *ocsp.Response, certs []*x509.Certificate, issuer *x509.Certificate, now time.Time) *Error {
	err := response.CheckSignatureFrom(issuer)
	if err == nil {
		return nil
	}
	for _, cert := range certs {
		if kind, bits := tlsprobe.KeyOf(cert); kind == "RSA" && bits > tlsprobe.MaxRSA {
			continue // whoever sent it chose the key: to compute with one that fills the response takes seconds
		}
		if response.CheckSignatureFrom(cert) == nil {
			return appointed(cert, issuer, now)
		}
	}
	if _, insecure := errors.AsType[x509.InsecureAlgorithmError](err); insecure {
		return wrong(BadSignature, "it is signed with %s", response.SignatureAlgorithm)
	}
	return wrong(BadSignature, "neither the issuer %s nor whom it appointed signed it", quote(tlsprobe.SubjectText(issuer)))
}

// appointed says why a certificate may not sign OCSP responses for the issuer's certificates; nil when it may.
func appointed(cert, issuer *x509.Certificate, now time.Time) *Error {
	name := quote(tlsprobe.SubjectText(cert))
	byIssuer := string(cert.RawIssuer) == string(issuer.RawSubject) &&
		issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
	switch {
	case !byIssuer:
		return wrong(Unauthorized, "%s signed it, which is not of the issuer %s", name, quote(tlsprobe.SubjectText(issuer)))
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return wrong(Unauthorized, "%s signed it, whose usages lack OCSP signing", name)
	case now.After(cert.NotAfter.Add(tolerance)), now.Before(cert.NotBefore.Add(-tolerance)):
		return wrong(Unauthorized, "%s signed it, whose certificate is outside of its dates", name)
	default:
		return nil
	}
}
