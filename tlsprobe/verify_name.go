package tlsprobe

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// maxNames bounds how many names, pins or authorities a sentence lists.
const maxNames = 5

// name compares the name with the certificate's subject alternative names; its common name does not count (RFC 9525
// section 2).
func (j *judgement) name() {
	leaf := j.sent[0]
	if j.Name == "" {
		j.find(NameMismatch, Fatal, leaf, "there is no name to compare the certificate with")
		return
	}
	wanted := asciiName(j.Name)
	address, err := netip.ParseAddr(wanted)
	if err == nil {
		wanted = address.WithZone("").Unmap().String()
	}
	if leaf.VerifyHostname(wanted) == nil {
		return
	}
	if len(AlternativeNames(leaf)) == 0 {
		j.find(NameMismatch, Fatal, leaf, "the certificate has no subject alternative name; its common name "+
			quote(leaf.Subject.CommonName)+" does not count")
		return
	}
	words := fmt.Sprintf("the certificate is not for %s but %s", quote(j.Name), namesOf(leaf))
	switch {
	case err == nil && slices.Contains(leaf.DNSNames, wanted):
		words += "; the address stands there as a DNS name, which does not count (RFC 9525 section 6.5)"
	case err != nil && underWildcard(leaf, wanted):
		words += "; the asterisk stands for one label (RFC 9525 section 6.3)"
	}
	j.find(NameMismatch, Fatal, leaf, words)
}

// asciiName is a name as certificates, SNI and DNS have it: international labels as A-labels (RFC 5890 section 2.3.2.1,
// RFC 9525 section 6.2). A name that has no such form is returned as it is, and matches nothing.
func asciiName(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r > '~' }) {
		return name
	}
	if ascii, err := idna.Lookup.ToASCII(name); err == nil {
		return ascii
	}
	return name
}

// underWildcard says that a wildcard of the certificate covers a name nearly: it is too deep, or the parent itself.
func underWildcard(cert *x509.Certificate, name string) bool {
	name = "." + strings.ToLower(strings.TrimSuffix(name, "."))
	return slices.ContainsFunc(cert.DNSNames, func(pattern string) bool {
		parent, ok := strings.CutPrefix(strings.ToLower(pattern), "*")
		return ok && len(parent) > 1 && strings.HasSuffix(name, parent)
	})
}

// namesOf lists a certificate's names for a sentence.
func namesOf(cert *x509.Certificate) string {
	var quoted []string
	for _, name := range AlternativeNames(cert) {
		quoted = append(quoted, quote(name))
	}
	return "for " + enumerate(quoted)
}

// enumerate lists what is fit for a sentence, the first few of it.
func enumerate(words []string) string {
	text := strings.Join(words[:min(len(words), maxNames)], ", ")
	if more := len(words) - maxNames; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
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
