package dnssec

import (
	"slices"
	"time"

	"github.com/miekg/dns"
)

// key is a zone's key that may sign, with its tag, which is dear to compute.
type key struct {
	record *dns.DNSKEY
	tag    uint16
}

// signingKeys are those keys of a DNSKEY set that may sign records of the zone: with the flag Zone Key and protocol 3
// (RFC 4034 section 2.1.1 and 2.1.2), and not revoked (RFC 5011 section 2.1).
func signingKeys(set *rrset) []key {
	var keys []key
	for _, rr := range set.records {
		k, ok := rr.(*dns.DNSKEY)
		if ok && k.Flags&dns.ZONE != 0 && k.Flags&dns.REVOKE == 0 && k.Protocol == 3 && supportedAlgorithm(k.Algorithm) {
			keys = append(keys, key{k, k.KeyTag()})
		}
	}
	return keys
}

// verifySet finds a signature by the zone that holds for the set now (RFC 4035 section 5.3). Where none does, the
// finding tells of the one that came nearest: a right signature at the wrong time is nearer than a wrong one.
func verifySet(s *rrset, zone name, keys []key, now time.Time, b *budget) (*dns.RRSIG, *finding) {
	var worst attempt
	for _, sig := range candidates(s, zone, now) {
		a := trySignature(s, sig, keys, now, b)
		switch {
		case a == attemptHolds:
			return sig, nil
		case a == attemptTooCostly:
			return nil, costly(zone)
		case a > worst:
			worst = a
			if a == attemptUntimely {
				return nil, untimely(s, zone, sig, now) // those that hold now stand first
			}
		}
	}
	return nil, worst.finding(s, zone)
}

// attempt is what became of one signature; the higher, the nearer it came.
type attempt uint8

const (
	attemptNone attempt = iota
	attemptUnsupported
	attemptNoKey
	attemptBad
	attemptUntimely
	attemptHolds
	attemptTooCostly
)

// candidates are the signatures that may be tried, those whose time is right first.
func candidates(s *rrset, zone name, now time.Time) []*dns.RRSIG {
	var kept []*dns.RRSIG
	for _, sig := range s.sigs {
		signer, err := nameOf(sig.SignerName)
		if err == nil && signer == zone && s.owner.within(zone) && int(sig.Labels) <= signedLabels(s.owner) {
			kept = append(kept, sig)
		}
	}
	slices.SortStableFunc(kept, func(a, b *dns.RRSIG) int {
		switch early, late := timely(a, now), timely(b, now); {
		case early == late:
			return 0
		case early:
			return -1
		default:
			return 1
		}
	})
	return kept[:min(len(kept), maxSigsPerSet)]
}

// signedLabels is how many labels a signature counts in an owner's name: the "*" of a wildcard is left out (RFC 4034
// section 3.1.3).
func signedLabels(owner name) int {
	if owner.isWildcard() {
		return owner.labels() - 1
	}
	return owner.labels()
}

// isExpanded says whether the set was made from a wildcard's (RFC 4035 section 5.3.4).
func isExpanded(owner name, sig *dns.RRSIG) bool { return int(sig.Labels) < signedLabels(owner) }

func trySignature(s *rrset, sig *dns.RRSIG, keys []key, now time.Time, b *budget) attempt {
	if !supportedAlgorithm(sig.Algorithm) {
		return attemptUnsupported
	}
	tried := 0
	for _, k := range keys {
		if k.tag != sig.KeyTag || k.record.Algorithm != sig.Algorithm {
			continue
		}
		if tried++; tried > maxKeysPerTag || b.verification() != nil {
			return attemptTooCostly
		}
		if sig.Verify(k.record, s.records) != nil {
			continue
		}
		if !timely(sig, now) {
			return attemptUntimely
		}
		return attemptHolds
	}
	if tried == 0 {
		return attemptNoKey
	}
	return attemptBad
}

// untimely is for a signature that is right but for its time.
func untimely(s *rrset, zone name, sig *dns.RRSIG, now time.Time) *finding {
	what := s.describe()
	f := found(Bogus, CodeExpired, zone, s.owner, s.kind, "")
	f.clockOnly = true
	if begins := inception(sig, now); now.Before(begins) {
		f.reason.Code, f.reason.At = CodeNotYetValid, begins
		f.reason.said = "the signature over " + what + " is right, but by this host's clock begins only in " +
			span(begins.Sub(now)) + ", at " + begins.Format(time.RFC3339)
		return f
	}
	ended := expiration(sig, now)
	f.reason.At = ended
	f.reason.said = "the signature over " + what + " is right, but by this host's clock ended " +
		span(now.Sub(ended)) + " ago, at " + ended.Format(time.RFC3339)
	return f
}

// span is a distance in time, to the second.
func span(d time.Duration) string { return d.Round(time.Second).String() }

func (a attempt) finding(s *rrset, zone name) *finding {
	what := s.describe()
	switch a {
	case attemptUnsupported:
		return found(Bogus, CodeUnsupported, zone, s.owner, s.kind,
			"%s has only signatures of algorithms that zone %s has no DS record for", what, zone)
	case attemptNoKey:
		return found(Bogus, CodeKeyMissing, zone, s.owner, s.kind,
			"%s is signed by a key that zone %s does not have, or not for this use", what, zone)
	case attemptBad:
		return found(Bogus, CodeBadSignature, zone, s.owner, s.kind,
			"the signature over %s is not by the key of zone %s, or the records were changed", what, zone)
	default:
		return found(Bogus, CodeSignatureMissing, zone, s.owner, s.kind,
			"%s comes without a signature by zone %s, which is signed", what, zone)
	}
}

// describe names the set for a person.
func (s *rrset) describe() string { return s.owner.String() + " " + typeName(s.kind) }
