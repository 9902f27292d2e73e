package tlsprobe

import (
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// maxSignatures bounds the signatures that are checked to follow one path, as crypto/x509 bounds its own.
const maxSignatures = 100

// MaxRSA is the largest RSA key that is computed with, in bits; crypto/tls takes no larger one from a server either.
const MaxRSA = 8192

// path is the way from the server's certificate towards an authority.
type path struct {
	certs    []*x509.Certificate // the server's own first
	anchored bool                // its last certificate is trusted
}

// follow walks from the server's certificate to its issuer and on, over the others and what is trusted. Unlike
// crypto/x509 it goes on over certificates that are expired, too weak or may not sign, so that each problem can be
// named. It only explains: nothing is trusted because of it.
func follow(leaf *x509.Certificate, others []*x509.Certificate, roots *Roots, at time.Time) path {
	p := path{certs: []*x509.Certificate{leaf}}
	for signatures := maxSignatures; len(p.certs) <= MaxCertificates; {
		last := p.last()
		if roots.holds(last) {
			p.anchored = true
			return p
		}
		if authority := issuer(last, roots.named(last.RawIssuer), nil, at, &signatures); authority != nil {
			p.certs = append(p.certs, authority)
			p.anchored = true
			return p
		}
		next := issuer(last, others, p.certs, at, &signatures)
		if next == nil {
			return p
		}
		p.certs = append(p.certs[:len(p.certs):len(p.certs)], next)
	}
	return p
}

// role is what a certificate is in the path; empty for one that is not in it.
func (p path) role(cert *x509.Certificate) Role {
	i := slices.Index(p.certs, cert)
	switch {
	case i < 0:
		return ""
	case i == 0:
		return RoleServer
	case p.anchors(i), selfIssued(cert):
		return RoleRoot
	default:
		return RoleIntermediate
	}
}

// anchors says that the certificate at i is the trusted one.
func (p path) anchors(i int) bool { return p.anchored && i == len(p.certs)-1 }

// last is the certificate farthest from the server.
func (p path) last() *x509.Certificate { return p.certs[len(p.certs)-1] }

// issuer is the candidate that signed cert, one that is valid now before one that is not. Those seen are left out.
func issuer(cert *x509.Certificate, candidates, seen []*x509.Certificate, at time.Time, signatures *int) *x509.Certificate {
	var stale *x509.Certificate
	for _, candidate := range candidates {
		if string(candidate.RawSubject) != string(cert.RawIssuer) || contains(seen, candidate) || *signatures <= 0 {
			continue
		}
		*signatures--
		if !signed(cert, candidate) {
			continue
		}
		if !at.Before(candidate.NotBefore) && !at.After(candidate.NotAfter) {
			return candidate
		}
		if stale == nil {
			stale = candidate
		}
	}
	return stale
}

// signed says that parent's key signed cert. An algorithm that crypto/x509 does not compute any more (MD5) is taken for
// a match: the signature is reported as weak either way. A key that is larger than any that crypto/tls takes has signed
// nothing: to find out otherwise may take seconds.
func signed(cert, parent *x509.Certificate) bool {
	if kind, bits := KeyOf(parent); kind == "RSA" && bits > MaxRSA {
		return false
	}
	err := parent.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
	_, insecure := errors.AsType[x509.InsecureAlgorithmError](err)
	return err == nil || insecure
}

func selfIssued(cert *x509.Certificate) bool {
	return string(cert.RawSubject) == string(cert.RawIssuer)
}

func contains(certs []*x509.Certificate, cert *x509.Certificate) bool {
	return index(certs, cert) >= 0
}

// index is where a certificate stands among those the server sent; -1 when it is not there.
func index(certs []*x509.Certificate, cert *x509.Certificate) int {
	for i, c := range certs {
		if c.Equal(cert) {
			return i
		}
	}
	return -1
}
