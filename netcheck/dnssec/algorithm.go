package dnssec

import (
	"strconv"

	"github.com/miekg/dns"
)

// supportedAlgorithm says whether signatures of this algorithm can be checked. Of those that a validator must or should
// know (RFC 8624 section 3.1) only Ed448 is missing. RSA with SHA-1 may no longer sign (RFC 9905 section 3), but zones
// still do, and to treat them as unsigned would hide a forged answer: it is checked, and the chain names it.
func supportedAlgorithm(algorithm uint8) bool {
	switch algorithm {
	case dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256, dns.RSASHA512,
		dns.ECDSAP256SHA256, dns.ECDSAP384SHA384, dns.ED25519:
		return true
	default:
		return false
	}
}

// supportedDigest says whether a DS record with this digest can be checked (RFC 8624 section 3.3).
func supportedDigest(digest uint8) bool {
	return digest == dns.SHA1 || digest == dns.SHA256 || digest == dns.SHA384
}

func algorithmName(algorithm uint8) string {
	if text, ok := dns.AlgorithmToString[algorithm]; ok {
		return text
	}
	return "algorithm " + strconv.Itoa(int(algorithm))
}

func digestName(digest uint8) string {
	if text, ok := dns.HashToString[digest]; ok {
		return text
	}
	return "digest " + strconv.Itoa(int(digest))
}

func typeName(kind uint16) string { return dns.Type(kind).String() }
