package netcheck

import (
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// DNSExtendedError is an extended DNS error (RFC 8914).
type DNSExtendedError struct {
	Code uint16 `json:"code"`           // INFO-CODE
	Name string `json:"name"`           // as in the registry of RFC 8914
	Text string `json:"text,omitempty"` // EXTRA-TEXT, escaped
}

// maxExtendedErrors is how many of a reply's extended errors are kept.
const maxExtendedErrors = 8

func extendedErrors(msg *dns.Msg) []DNSExtendedError {
	if msg == nil {
		return nil
	}
	opt := msg.IsEdns0()
	if opt == nil {
		return nil
	}
	var found []DNSExtendedError
	for _, o := range opt.Option {
		ede, ok := o.(*dns.EDNS0_EDE)
		if !ok || len(found) == maxExtendedErrors {
			continue
		}
		name := dns.ExtendedErrorCodeToString[ede.InfoCode]
		text := cleanText(ede.ExtraText, maxDNSText)
		found = append(found, DNSExtendedError{Code: ede.InfoCode, Name: name, Text: text})
	}
	return found
}

// isBogus says whether the extended errors blame the validation of signatures.
func isBogus(msg *dns.Msg) bool {
	blaming := []uint16{
		dns.ExtendedErrorCodeDNSBogus, dns.ExtendedErrorCodeSignatureExpired, dns.ExtendedErrorCodeSignatureNotYetValid,
		dns.ExtendedErrorCodeDNSKEYMissing, dns.ExtendedErrorCodeRRSIGsMissing, dns.ExtendedErrorCodeNoZoneKeyBitSet,
		dns.ExtendedErrorCodeNSECMissing, dns.ExtendedErrorCodeSignatureExpiredBeforeValid,
	}
	return slices.ContainsFunc(extendedErrors(msg), func(e DNSExtendedError) bool {
		return slices.Contains(blaming, e.Code)
	})
}

// extendedSuffix is the extended errors for a sentence, in brackets; empty when there are none.
func extendedSuffix(msg *dns.Msg) string {
	suffix := ""
	for _, e := range extendedErrors(msg) {
		suffix += fmt.Sprintf(" (extended error %d", e.Code)
		if e.Name != "" {
			suffix += ", " + e.Name
		}
		if e.Text != "" {
			suffix += ": " + e.Text
		}
		suffix += ")"
	}
	return suffix
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", rcode)
}
