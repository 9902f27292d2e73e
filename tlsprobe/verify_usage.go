package tlsprobe

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// usage judges what the certificates are for: the server's own for server authentication (RFC 5280 section 4.2.1.12; no
// extension means for anything) and for what the handshake does with its key, every other one on the path for signing
// certificates (section 4.2.1.9, 4.2.1.3) such as those below it.
func (j *judgement) usage() {
	leaf := j.sent[0]
	if restricted(leaf) {
		j.find(Usage, Fatal, leaf, "the certificate is not for server authentication (extended key usage)")
	}
	if why := j.keyUnfit(leaf); why != "" {
		j.find(Usage, Fatal, leaf, why)
	}
	for i, cert := range j.path.certs {
		if len(cert.UnhandledCriticalExtensions) > 0 {
			j.find(Usage, Fatal, cert, fmt.Sprintf("%s has a critical extension that nobody here knows: %s",
				j.called(i), cert.UnhandledCriticalExtensions[0]))
		}
		if i > 0 {
			j.signer(i, cert)
		}
	}
	j.constraints()
}

// restricted says that the extended key usage leaves servers out. On an authority it binds what is below, as crypto/x509
// and others read it, and as RFC 5280 does not forbid.
func restricted(cert *x509.Certificate) bool {
	limited := len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0
	return limited && !slices.ContainsFunc(cert.ExtKeyUsage, forServers)
}

func forServers(usage x509.ExtKeyUsage) bool {
	return usage == x509.ExtKeyUsageServerAuth || usage == x509.ExtKeyUsageAny
}

// keyUnfit says why the server's key may not be used as the handshake uses it: it signs (RFC 8446 section 4.4.2.2), or
// deciphers (RFC 5246 section 7.4.2). A JVM looks at that too.
func (j *judgement) keyUnfit(leaf *x509.Certificate) string {
	switch {
	case leaf.KeyUsage == 0:
		return ""
	case j.Deciphers && leaf.KeyUsage&x509.KeyUsageKeyEncipherment == 0:
		return "the certificate's key is not for key encipherment (key usage), which the cipher suite uses it for"
	case !j.Deciphers && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return "the certificate's key is not for digital signatures (key usage), by which a server proves itself in TLS"
	default:
		return ""
	}
}

// signer judges whether the certificate at i of the path may sign the one before it.
func (j *judgement) signer(i int, cert *x509.Certificate) {
	switch {
	case j.path.anchors(i) && cert.Version < 3:
		// An old root has no extensions; that it is trusted makes it an authority.
	case !cert.BasicConstraintsValid || !cert.IsCA:
		j.find(Usage, Fatal, cert, j.called(i)+" signed a certificate, but is no authority (CA flag)")
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		j.find(Usage, Fatal, cert, j.called(i)+" signed a certificate, but is not for that (key usage)")
	}
	if restricted(cert) {
		j.find(Usage, Fatal, cert, j.called(i)+" may not sign for servers (extended key usage)")
	}
	if below := i - 1; cert.BasicConstraintsValid && cert.MaxPathLen >= 0 && below > cert.MaxPathLen {
		j.find(Usage, Fatal, cert, fmt.Sprintf("%s may have %d authorities below it, and has %d (path length)",
			j.called(i), cert.MaxPathLen, below))
	}
}

// constraints finds the authorities whose name constraints leave out a name of the server's certificate (RFC 5280 section
// 4.2.1.10). crypto/x509 tells only that there is one: so each one that has any is taken for a root by itself, as long as
// that is not too dear. Where it is, crypto/x509's own refusal still stands.
func (j *judgement) constraints() {
	left, names, bound := maxComparisons, subjects(j.path.certs), 0
	for i, cert := range j.path.certs[1:] {
		if !constrained(cert) {
			continue
		}
		bound++
		if left -= names * bound; left < 0 {
			return
		}
		roots, below := x509.NewCertPool(), x509.NewCertPool()
		roots.AddCert(cert)
		for _, intermediate := range j.path.certs[1 : i+1] {
			below.AddCert(intermediate)
		}
		_, err := j.path.certs[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: below, CurrentTime: latestStart(j.path.certs[:i+2]),
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		})
		if refusal, ok := errors.AsType[x509.CertificateInvalidError](err); ok &&
			refusal.Reason == x509.CANotAuthorizedForThisName {
			j.find(Usage, Fatal, cert, j.called(i+1)+" may not sign for a name of the certificate (name constraints): "+
				quote(refusal.Detail))
		}
	}
}

// maxComparisons bounds how often a name is looked for in the constraints of an authority, over all of a path: some ten
// milliseconds.
const maxComparisons = 200_000

// subjects is how many alternative names the certificates have.
func subjects(certs []*x509.Certificate) int {
	n := 0
	for _, c := range certs {
		n += len(c.DNSNames) + len(c.IPAddresses) + len(c.EmailAddresses) + len(c.URIs)
	}
	return n
}

func constrained(c *x509.Certificate) bool {
	return len(c.PermittedDNSDomains)+len(c.ExcludedDNSDomains)+len(c.PermittedIPRanges)+len(c.ExcludedIPRanges)+
		len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses)+len(c.PermittedURIDomains)+len(c.ExcludedURIDomains) > 0
}

// latestStart is the first instant at which each of the certificates may be valid: their constraints hold at any time.
func latestStart(certs []*x509.Certificate) time.Time {
	start := certs[0].NotBefore
	for _, cert := range certs[1:] {
		if cert.NotBefore.After(start) {
			start = cert.NotBefore
		}
	}
	return start
}
