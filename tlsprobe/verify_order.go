package tlsprobe

import (
	"crypto/x509"
	"slices"
)

// arrangement notes how the certificates are sent: each but the server's own certifies the one before it, and none is sent
// for nothing (RFC 8446 section 4.4.2, which asks clients to put up with both; RFC 5246 section 7.4.2 did not). Nothing is
// trusted more or less because of it.
func (j *judgement) arrangement() {
	at, ordered := 0, true
	for _, cert := range j.path.certs {
		if i := index(j.sent, cert); i >= 0 {
			ordered = ordered && i >= at
			at = i
		}
	}
	if !ordered {
		j.find(Disorder, Note, j.sent[0], "the server sends its certificates in another order than that of the chain")
	}
	for i, cert := range j.sent[1:] {
		switch {
		case index(j.sent, cert) <= i:
			j.note(i+1, "the server sends the certificate "+quote(SubjectText(cert))+" twice")
		case !contains(j.path.certs, cert) && !j.beside(cert):
			j.note(i+1, "the server sends the certificate "+quote(SubjectText(cert))+", which is not of its chain")
		}
	}
}

// beside says that a certificate is another one for an authority of the chain, or certifies one: another way to the same
// or to an older root, as public authorities hand them out.
func (j *judgement) beside(cert *x509.Certificate) bool {
	return slices.ContainsFunc(j.path.certs, func(of *x509.Certificate) bool {
		return string(of.RawSubject) == string(cert.RawSubject) || string(of.RawIssuer) == string(cert.RawSubject)
	})
}

func (j *judgement) note(i int, words string) {
	j.find(Surplus, Note, j.sent[i], words)
	j.verdict.Findings[len(j.verdict.Findings)-1].Index = i
}
