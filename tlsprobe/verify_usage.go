package tlsprobe

import (
	"crypto/x509"
	"slices"
)

// usage judges what the certificates are for: the server's own for server authentication (RFC 5280 section 4.2.1.12; no
// extension means for anything), every other one on the path for signing certificates (section 4.2.1.9, 4.2.1.3).
func (j *judgement) usage() {
	leaf := j.sent[0]
	limited := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0
	if limited && !slices.ContainsFunc(leaf.ExtKeyUsage, forServers) {
		j.find(Usage, Fatal, leaf, "the certificate is not for server authentication (extended key usage)")
	}
	for i, cert := range j.path.certs[1:] {
		anchor := j.path.anchored && i == len(j.path.certs)-2
		switch {
		case anchor && cert.Version < 3:
			// An old root has no extensions; that it is trusted makes it an authority.
		case !cert.BasicConstraintsValid || !cert.IsCA:
			j.find(Usage, Fatal, cert, j.called(i+1)+" signed a certificate, but is no authority (CA flag)")
		case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
			j.find(Usage, Fatal, cert, j.called(i+1)+" signed a certificate, but is not for that (key usage)")
		}
	}
}

func forServers(usage x509.ExtKeyUsage) bool {
	return usage == x509.ExtKeyUsageServerAuth || usage == x509.ExtKeyUsageAny
}
