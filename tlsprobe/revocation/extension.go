package revocation

import (
	"crypto/x509"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxPlaces is how many of the addresses of one kind that a certificate names are asked.
const maxPlaces = 2

// onHTTP are the first addresses of the scheme http: others, such as Active Directory's ldap, are not asked.
func onHTTP(addresses []string) []string {
	var places []string
	for _, address := range addresses {
		if len(places) < maxPlaces && len(address) > 7 && strings.EqualFold(address[:7], "http://") {
			places = append(places, address)
		}
	}
	return places
}

// mustStaple says that the certificate demands a stapled response of its server (RFC 7633: the feature status_request).
func mustStaple(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		if len(e.Id) != 9 || e.Id[8] != 24 || e.Id.String() != "1.3.6.1.5.5.7.1.24" {
			continue
		}
		input := cryptobyte.String(e.Value)
		var features cryptobyte.String
		if !input.ReadASN1(&features, asn1.SEQUENCE) {
			return false
		}
		for !features.Empty() {
			const statusRequest = 5 // RFC 6066 section 8
			var feature int
			if !features.ReadASN1Integer(&feature) {
				return false
			}
			if feature == statusRequest {
				return true
			}
		}
	}
	return false
}

// neverRevoked says that the authority tells of a server's certificate, which is short-lived then, that it publishes
// nothing about its revocation (noRevAvail, RFC 9608 section 3).
func neverRevoked(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		if len(e.Id) == 4 && e.Id[3] == 56 && e.Id.String() == "2.5.29.56" {
			return !cert.IsCA
		}
	}
	return false
}
