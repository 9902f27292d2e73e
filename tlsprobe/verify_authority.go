package tlsprobe

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// authority says why the path does not end in a trusted authority. Where the last certificate of the path is signed by
// itself, that is plain. Where its issuer is neither sent nor trusted, the chain alone does not tell a missing
// intermediate from a root that nobody trusts, for a server rightly leaves its root out (RFC 8446 section 4.4.2). The
// first of these that holds decides:
//
//  1. The issuer calls itself a root: unknown authority.
//  2. It calls itself an intermediate, or has the organisation (O, or else the DC components) of a trusted authority:
//     incomplete chain.
//  3. The server sent its own certificate alone, and that says where its issuer's is to be had (AIA caIssuers over HTTP,
//     RFC 5280 section 4.2.2.1), as public authorities do, who sign nothing with a root: incomplete chain.
//  4. Else: unknown authority.
//
// An intermediate that was fetched is missing all the same, and is named by its fingerprint; the rest of the chain is
// then judged from there.
func (j *judgement) authority() {
	if j.missing != nil {
		before := j.path.certs[slices.Index(j.path.certs, j.missing)-1]
		if !selfIssued(j.missing) {
			j.find(IncompleteChain, Fatal, before, "the server does not send the intermediate certificate "+
				quote(SubjectText(j.missing))+" (SHA-256 "+fingerprint(j.missing)+")"+published(before))
		}
	}
	if j.path.anchored {
		return
	}
	leaf, last := j.path.certs[0], j.path.last()
	switch {
	case last == leaf && selfIssued(leaf) && signed(leaf, leaf):
		j.find(SelfSigned, Fatal, leaf, "the certificate is signed by itself, and is not among the trusted ones")
	case j.inspected(last):
	case selfIssued(last):
		j.find(UnknownAuthority, Fatal, last, "the chain ends in an authority that is not trusted: "+
			quote(SubjectText(last)))
	case j.missesIntermediate(last):
		j.find(IncompleteChain, Fatal, last, "the server does not send the intermediate certificate "+
			quote(IssuerText(last))+published(last))
	default:
		j.find(UnknownAuthority, Fatal, last, fmt.Sprintf(
			"the chain ends in a certificate of %s, which is not trusted", quote(IssuerText(last))))
	}
}

func (j *judgement) missesIntermediate(last *x509.Certificate) bool {
	name := strings.ToLower(last.Issuer.CommonName)
	switch {
	case strings.Contains(name, "root"):
		return false
	case calledIntermediate(name), j.Roots.related(last.Issuer):
		return true
	default:
		return len(j.path.certs) == 1 && len(httpURLs(last)) > 0
	}
}

func calledIntermediate(name string) bool {
	words := []string{"intermediate", "issuing", "subordinate", "sub ca", "subca"}
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(name, word) })
}

// related says that a trusted authority has the organisation of name.
func (r *Roots) related(name pkix.Name) bool {
	wanted := organisation(name)
	if r == nil || wanted == "" {
		return false
	}
	for _, authorities := range r.bySubject {
		if organisation(authorities[0].Subject) == wanted {
			return true
		}
	}
	return false
}

// organisation is O, or the DC components of a directory's own authority. It is empty where there is neither.
func organisation(name pkix.Name) string {
	if len(name.Organization) > 0 {
		return "O=" + name.Organization[0]
	}
	domainComponent := []int{0, 9, 2342, 19200300, 100, 1, 25} // RFC 4519 section 2.4
	var components []string
	for _, attribute := range name.Names {
		if attribute.Type.Equal(domainComponent) {
			components = append(components, fmt.Sprint(attribute.Value))
		}
	}
	if len(components) == 0 {
		return ""
	}
	return "DC=" + strings.ToLower(strings.Join(components, ","))
}

// httpURLs are the addresses at which a certificate says that its issuer is published, those that anybody can fetch
// first; other schemes (ldap) are left out.
func httpURLs(cert *x509.Certificate) []string {
	var plain, others []string
	for _, address := range cert.IssuingCertificateURL {
		switch lower := strings.ToLower(address); {
		case strings.HasPrefix(lower, "http:"):
			plain = append(plain, address)
		case strings.HasPrefix(lower, "https:"):
			others = append(others, address)
		}
	}
	return append(plain, others...)
}

// fingerprint is the SHA-256 of the DER form, in hexadecimal.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

func published(cert *x509.Certificate) string {
	if urls := httpURLs(cert); len(urls) > 0 {
		return ", which its issuer publishes at " + quote(urls[0])
	}
	return ""
}
