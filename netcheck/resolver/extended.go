package resolver

import (
	"fmt"
	"slices"

	"github.com/miekg/dns"

	"sallyport/netcheck/plain"
)

// ExtendedError is an extended DNS error (RFC 8914).
type ExtendedError struct {
	Code uint16 `json:"code"`           // INFO-CODE
	Name string `json:"name"`           // as in the registry of RFC 8914
	Text string `json:"text,omitempty"` // EXTRA-TEXT, escaped
}

// maxExtendedErrors is how many of a reply's extended errors are kept.
const maxExtendedErrors = 8

// ExtendedErrors are those of a message; nil has none.
func ExtendedErrors(msg *dns.Msg) []ExtendedError {
	if msg == nil {
		return nil
	}
	opt := msg.IsEdns0()
	if opt == nil {
		return nil
	}
	var found []ExtendedError
	for _, o := range opt.Option {
		ede, ok := o.(*dns.EDNS0_EDE)
		if !ok || len(found) == maxExtendedErrors {
			continue
		}
		name := dns.ExtendedErrorCodeToString[ede.InfoCode]
		text := plain.Text(ede.ExtraText, MaxText)
		found = append(found, ExtendedError{Code: ede.InfoCode, Name: name, Text: text})
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
	return slices.ContainsFunc(ExtendedErrors(msg), func(e ExtendedError) bool {
		return slices.Contains(blaming, e.Code)
	})
}

// extendedSuffix is the extended errors for a sentence, in brackets; empty when there are none.
func extendedSuffix(msg *dns.Msg) string {
	suffix := ""
	for _, e := range ExtendedErrors(msg) {
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

// RcodeName is the name of a response code.
func RcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", rcode)
}
