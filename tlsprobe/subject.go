package tlsprobe

import (
	"crypto/x509"
	"crypto/x509/pkix"
)

// Bounds on a name that is written down. Real ones have a dozen attributes, of at most 64 characters each (RFC 5280
// appendix A.1).
const (
	maxAttributes = 16 // of one kind
	maxAttribute  = 256
)

// SubjectText is whom a certificate is for, as pkix.Name has it, with no more than the first attributes of each kind and
// the first octets of each: to write down all of the 20,000 that fit a handshake takes a third of a second and more than a
// GiB, for the library copies the text anew at each of them. It is not escaped.
func SubjectText(cert *x509.Certificate) string { return NameText(cert.Subject) }

// IssuerText is who signed a certificate, in the same way.
func IssuerText(cert *x509.Certificate) string { return NameText(cert.Issuer) }

// NameText is SubjectText of a name that stands elsewhere. It changes the copy that it was given: in Names each attribute
// stands once more, and those of the usual kinds are passed over there.
func NameText(name pkix.Name) string {
	for _, values := range []*[]string{
		&name.Country, &name.Organization, &name.OrganizationalUnit, &name.Locality, &name.Province, &name.StreetAddress,
		&name.PostalCode,
	} {
		*values = firstValues(*values)
	}
	name.CommonName, name.SerialNumber = firstOctets(name.CommonName), firstOctets(name.SerialNumber)
	name.Names = firstAttributes(name.Names)
	return name.String()
}

func firstOctets(value string) string { return value[:min(len(value), maxAttribute)] }

func firstValues(values []string) []string {
	var kept []string
	for _, value := range values[:min(len(values), maxAttributes)] {
		kept = append(kept, firstOctets(value))
	}
	return kept
}

func firstAttributes(all []pkix.AttributeTypeAndValue) []pkix.AttributeTypeAndValue {
	var kept []pkix.AttributeTypeAndValue
	for _, attribute := range all[:min(len(all), 2*maxAttributes)] {
		if text, ok := attribute.Value.(string); ok {
			attribute.Value = firstOctets(text)
		}
		kept = append(kept, attribute)
	}
	return kept
}
