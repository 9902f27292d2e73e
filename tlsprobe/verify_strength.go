package tlsprobe

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
)

// The least sizes of keys, in bits: 112 bits of strength (NIST SP 800-57 part 1 section 5.6.1), with the smallest curve
// that TLS 1.3 still has.
const (
	minRSA   = 2048
	minCurve = 256
)

// strength judges the keys of the whole path, and the signatures of those certificates on it that are trusted because
// somebody signed them: a root's own signature proves nothing and weakens nothing.
func (j *judgement) strength() {
	for i, cert := range j.path.certs {
		if weak := weakKey(cert); weak != "" {
			j.find(WeakKey, Fatal, cert, j.called(i)+" has "+weak)
		}
		vouched := !j.path.anchors(i) && (i < len(j.path.certs)-1 || !selfIssued(cert))
		if weakSignature(cert.SignatureAlgorithm) && vouched {
			j.find(WeakSignature, Fatal, cert, fmt.Sprintf("%s is signed with %s", j.called(i), cert.SignatureAlgorithm))
		}
	}
}

func weakKey(cert *x509.Certificate) string {
	kind, bits := KeyOf(cert)
	switch {
	case kind == "RSA" && bits < minRSA:
		return fmt.Sprintf("an RSA key of %d bits; %d are the least", bits, minRSA)
	case kind == "ECDSA" && bits < minCurve:
		return fmt.Sprintf("an elliptic curve key of %d bits; %d are the least", bits, minCurve)
	case kind == "RSA" && weakExponent(cert):
		return "an RSA key with an exponent that makes it none (1, or an even number)"
	case kind == "DSA":
		return "a DSA key, which TLS does not take any more"
	default:
		return ""
	}
}

// weakExponent knows the public exponents that RSA cannot have: it is odd, and 3 at the least (RFC 8017 section 3.1). The
// exponent 3 itself is let be: some trusted roots have it.
func weakExponent(cert *x509.Certificate) bool {
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	return ok && (key.E < 3 || key.E%2 == 0)
}

func weakSignature(a x509.SignatureAlgorithm) bool {
	return slices.Contains([]x509.SignatureAlgorithm{
		x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
	}, a)
}

// KeyOf is the kind of a certificate's key (RSA, ECDSA, Ed25519, DSA) and its size in bits, 0 where it has none.
func KeyOf(cert *x509.Certificate) (kind string, bits int) {
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA", key.N.BitLen()
	case *ecdsa.PublicKey:
		return "ECDSA", key.Curve.Params().BitSize
	case ed25519.PublicKey:
		return "Ed25519", 8 * len(key)
	default:
		return cert.PublicKeyAlgorithm.String(), 0
	}
}
