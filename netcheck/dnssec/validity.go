package dnssec

import (
	"time"

	"github.com/miekg/dns"
)

// The times of a signature are 32-bit counts of seconds that wrap around; they are compared with now as serial numbers
// (RFC 4034 section 3.1.5, RFC 1982 section 3.2), which places each within 68 years of now.

// expiration is when the signature ends, as seen from now.
func expiration(sig *dns.RRSIG, now time.Time) time.Time { return serialTime(sig.Expiration, now) }

// inception is when the signature begins, as seen from now.
func inception(sig *dns.RRSIG, now time.Time) time.Time { return serialTime(sig.Inception, now) }

func serialTime(serial uint32, now time.Time) time.Time {
	distance := int32(serial - uint32(now.Unix()))
	return time.Unix(now.Unix()+int64(distance), 0).UTC()
}

// timely says whether the signature holds at that time: both ends belong to it. No tolerance is added, for the clock is
// one of the things that are looked at; how far it is off stands in the words.
func timely(sig *dns.RRSIG, now time.Time) bool {
	second := now.Truncate(time.Second)
	return !second.Before(inception(sig, now)) && !second.After(expiration(sig, now))
}
