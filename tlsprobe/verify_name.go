package tlsprobe

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"strings"
)

// maxNames bounds how many of a certificate's names a sentence lists.
const maxNames = 5

// name compares the name with the certificate's subject alternative names; its common name does not count (RFC 9525
// section 6.3).
func (j *judgement) name() {
	leaf := j.sent[0]
	if j.Name == "" {
		j.find(NameMismatch, Fatal, leaf, "there is no name to compare the certificate with")
		return
	}
	wanted := j.Name
	if address, err := netip.ParseAddr(wanted); err == nil {
		wanted = address.WithZone("").Unmap().String()
	}
	if leaf.VerifyHostname(wanted) == nil {
		return
	}
	j.find(NameMismatch, Fatal, leaf, fmt.Sprintf("the certificate is not for %s but %s", quote(j.Name), namesOf(leaf)))
}

// namesOf lists a certificate's names for a sentence.
func namesOf(cert *x509.Certificate) string {
	names := AlternativeNames(cert)
	if len(names) == 0 {
		return "has no subject alternative name at all (its common name " + quote(cert.Subject.CommonName) +
			" does not count)"
	}
	var text strings.Builder
	text.WriteString("for ")
	for i, name := range names[:min(len(names), maxNames)] {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(quote(name))
	}
	if more := len(names) - maxNames; more > 0 {
		fmt.Fprintf(&text, " and %d more", more)
	}
	return text.String()
}

// AlternativeNames are a certificate's DNS names and IP addresses, as they stand in it: escape them before they are
// shown.
func AlternativeNames(cert *x509.Certificate) []string {
	names := append([]string(nil), cert.DNSNames...)
	for _, address := range cert.IPAddresses {
		names = append(names, address.String())
	}
	return names
}
