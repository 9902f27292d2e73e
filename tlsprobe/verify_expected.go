package tlsprobe

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Expected is what the operator knows of a server's chain beforehand.
type Expected struct {
	// Pins are the keys of which one must be in the verified chain; none expects nothing (RFC 7469 section 2.6).
	Pins []Pin
	// Issuers are names, CN or O, in any case, of which an authority of the chain must have one; none expects nothing.
	Issuers []string
	// Public says that the name lies in the public tree, for which only public authorities sign.
	Public bool
}

// Pin is the SHA-256 of a key: of a certificate's SubjectPublicKeyInfo in its DER form (RFC 7469 section 2.4).
type Pin [sha256.Size]byte

const pinPrefix = "sha256/"

// PinOf is the pin of a certificate's key.
func PinOf(cert *x509.Certificate) Pin { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// String is the pin as it is configured: sha256/ and the digest in base64.
func (p Pin) String() string { return pinPrefix + base64.StdEncoding.EncodeToString(p[:]) }

func (e Expected) pinned(chain []*x509.Certificate) bool {
	return len(e.Pins) == 0 || slices.ContainsFunc(chain, func(cert *x509.Certificate) bool {
		return slices.Contains(e.Pins, PinOf(cert))
	})
}

func (e Expected) issued(chain []*x509.Certificate) bool {
	return len(e.Issuers) == 0 || slices.ContainsFunc(chain[1:], func(authority *x509.Certificate) bool {
		names := append([]string{authority.Subject.CommonName}, authority.Subject.Organization...)
		return slices.ContainsFunc(names, func(name string) bool {
			return slices.ContainsFunc(e.Issuers, func(wanted string) bool { return strings.EqualFold(name, wanted) })
		})
	})
}

// expected compares the chain with what the operator knows of it. The words give what was seen, fit to be copied.
func (j *judgement) expected() {
	if !j.pinned(j.path.certs) {
		var seen []string
		for i, cert := range j.path.certs {
			seen = append(seen, PinOf(cert).String()+" of "+j.called(i))
		}
		j.find(PinMismatch, Fatal, j.path.certs[0], "no key of the chain is a pinned one; there are "+enumerate(seen))
	}
	last := j.path.last()
	switch {
	case !j.issued(j.path.certs):
		j.otherIssuer()
	case j.Public && j.path.anchored && len(j.Issuers) == 0:
		if file, local := j.Roots.local(last); local {
			j.find(Intercepted, Minor, last, "the chain of a public name ends in an authority that was added on this host ("+
				quote(file)+"), "+quote(SubjectText(last))+": a TLS-inspecting proxy, unless it is meant: then name it "+
				"under issuers")
		}
	}
}

func (j *judgement) otherIssuer() {
	var wanted, seen []string
	for _, issuer := range j.Issuers[:min(len(j.Issuers), maxNames)] {
		wanted = append(wanted, quote(issuer))
	}
	for _, authority := range j.path.certs[1:] {
		seen = append(seen, quote(SubjectText(authority)))
	}
	if last := j.path.last(); !j.path.anchored && !selfIssued(last) {
		seen = append(seen, quote(IssuerText(last)))
	}
	if len(seen) == 0 {
		seen = []string{"nobody but itself"}
	}
	j.find(Intercepted, Fatal, j.path.last(), fmt.Sprintf("another authority than the expected %s vouches for the "+
		"server: %s; it may be a TLS-inspecting proxy", strings.Join(wanted, " or "), enumerate(seen)))
}
