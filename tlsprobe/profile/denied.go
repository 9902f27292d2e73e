package profile

import (
	"regexp"
	"time"
)

// Use is one certificate of a server's chain, in Java's names.
type Use struct {
	Signature string // by which it is signed: SHA256withRSA, SHA1withECDSA, Ed25519
	Key       string // RSA, EC, DSA, EdDSA
	Bits      int    // of the key
	Curve     string // of an EC key: secp256r1
	JDKCA     bool   // the chain ends in an authority that came with the JDK
	Time      time.Time
}

// Denied is the first rule by which the client refuses the certificate in a server's chain, if there is one
// (DisabledAlgorithmConstraints.permits). A root's own signature is not asked about.
func (p Profile) Denied(u Use) (Rule, bool) {
	signature := signatureParts(u.Signature)
	for _, r := range p.Rules {
		named := r.names(u.Signature, u.Key) || r.names(signature...) || u.Curve != "" && r.names(u.Curve)
		if named && r.meant("TLSServer") && r.holds(u) {
			return r, true
		}
	}
	return Rule{}, false
}

// holds says whether every condition of the rule but its usage is met.
func (r Rule) holds(u Use) bool {
	for _, s := range r.Sizes {
		if !r.names(u.Key) || !s.Holds(u.Bits) {
			return false
		}
	}
	return (!r.JDKCA || u.JDKCA) && (r.DenyAfter.IsZero() || !u.Time.Before(r.DenyAfter))
}

// signatureParts are the names within the name of a signature algorithm: SHA1 and RSA of SHA1withRSA. SHA1 is also
// written SHA-1 (AlgorithmDecomposer).
func signatureParts(name string) []string {
	parts := regexp.MustCompile("(?i)with|and").Split(name, -1)
	for _, p := range parts {
		if digest, ok := dashed(p); ok {
			parts = append(parts, digest)
		}
	}
	return parts
}

// dashed is the other spelling of a digest: SHA-256 of SHA256.
func dashed(digest string) (string, bool) {
	if len(digest) > 3 && (digest[:3] == "SHA" || digest[:3] == "sha") && digest[3] != '-' {
		return "SHA-" + digest[3:], true
	}
	return "", false
}
