package revocation

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// scope is of which certificates a list speaks: its issuing distribution point (RFC 5280 section 5.2.5).
type scope struct {
	named       bool     // it is only for certificates that name one of addresses
	addresses   []string // of the scheme http or any other
	userOnly    bool
	caOnly      bool
	someReasons bool
}

// readScope reads the extensions of a list.
func readScope(extensions []pkix.Extension) (scope, *Error) {
	var s scope
	for _, e := range extensions {
		switch id := e.Id.String(); {
		case id == "2.5.29.27":
			return scope{}, wrong(Unsupported, "it only has what changed since another list (delta)")
		case id == "2.5.29.28":
			var bad *Error
			if s, bad = readPoint(e.Value); bad != nil {
				return scope{}, bad
			}
		case e.Critical && id != "2.5.29.20" && id != "2.5.29.35": // cRLNumber, authorityKeyIdentifier
			return scope{}, wrong(Unsupported, "it has a critical extension that is not known (%s)", id)
		}
	}
	return s, nil
}

// readPoint reads an IssuingDistributionPoint.
func readPoint(der []byte) (scope, *Error) {
	malformed := wrong(Malformed, "its issuing distribution point cannot be read")
	input := cryptobyte.String(der)
	var point, name cryptobyte.String
	var s scope
	if !input.ReadASN1(&point, asn1.SEQUENCE) || !input.Empty() ||
		!point.ReadOptionalASN1(&name, &s.named, zero()) {
		return scope{}, malformed
	}
	if s.named {
		var bad *Error
		if s.addresses, bad = readPointName(name); bad != nil {
			return scope{}, bad
		}
	}
	for !point.Empty() {
		var value cryptobyte.String
		var tag asn1.Tag
		if !point.ReadAnyASN1(&value, &tag) || len(value) == 0 {
			return scope{}, malformed
		}
		set := value[0] != 0
		switch tag {
		case asn1.Tag(1).ContextSpecific():
			s.userOnly = set
		case asn1.Tag(2).ContextSpecific():
			s.caOnly = set
		case asn1.Tag(3).ContextSpecific():
			s.someReasons = true
		case asn1.Tag(4).ContextSpecific():
			if set {
				return scope{}, wrong(Unsupported, "it holds certificates of other issuers (an indirect list)")
			}
		case asn1.Tag(5).ContextSpecific():
			if set {
				return scope{}, wrong(Unsupported, "it only has attribute certificates")
			}
		default:
			return scope{}, malformed
		}
	}
	return s, nil
}

// readPointName reads a DistributionPointName: its addresses.
func readPointName(name cryptobyte.String) ([]string, *Error) {
	var full cryptobyte.String
	if !name.ReadASN1(&full, zero()) {
		return nil, wrong(Unsupported, "its issuing distribution point is named relatively")
	}
	var addresses []string
	for !full.Empty() {
		var value cryptobyte.String
		var tag asn1.Tag
		if !full.ReadAnyASN1(&value, &tag) {
			return nil, wrong(Malformed, "its issuing distribution point cannot be read")
		}
		if tag == asn1.Tag(6).ContextSpecific() { // uniformResourceIdentifier
			addresses = append(addresses, string(value))
		}
	}
	return addresses, nil
}

// covers says why the list does not speak of the certificate (RFC 5280 section 6.3.3 (b)); nil when it does.
func (s scope) covers(cert *x509.Certificate) *Error {
	authority := cert.BasicConstraintsValid && cert.IsCA
	switch {
	case s.userOnly && authority:
		return wrong(Mismatched, "the list has no certificates of authorities")
	case s.caOnly && !authority:
		return wrong(Mismatched, "the list only has certificates of authorities")
	case s.named && !slices.ContainsFunc(cert.CRLDistributionPoints, func(at string) bool {
		return slices.Contains(s.addresses, at)
	}):
		return wrong(Mismatched, "the list is for certificates that name another place (issuing distribution point)")
	default:
		return nil
	}
}
