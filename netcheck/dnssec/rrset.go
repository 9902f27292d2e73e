package dnssec

import (
	"github.com/miekg/dns"
)

// rrset is the records of one name and type in one section of a message, with the signatures that came along.
type rrset struct {
	owner   name
	kind    uint16
	records []dns.RR
	sigs    []*dns.RRSIG
}

// setsOf groups the records of a section. Records of other classes than IN are no part of any set, and a name that is
// none drops its record.
func setsOf(section []dns.RR) []*rrset {
	type key struct {
		owner name
		kind  uint16
	}
	var sets []*rrset
	index := make(map[key]*rrset)
	get := func(owner name, kind uint16) *rrset {
		s := index[key{owner, kind}]
		if s == nil {
			s = &rrset{owner: owner, kind: kind}
			index[key{owner, kind}] = s
			sets = append(sets, s)
		}
		return s
	}
	for _, rr := range section {
		h := rr.Header()
		owner, err := nameOf(h.Name)
		if err != nil || h.Class != dns.ClassINET {
			continue
		}
		if sig, ok := rr.(*dns.RRSIG); ok {
			s := get(owner, sig.TypeCovered)
			s.sigs = append(s.sigs, sig)
			continue
		}
		s := get(owner, h.Rrtype)
		s.records = append(s.records, inCanonicalCase(rr, owner))
	}
	return sets
}

// inCanonicalCase is the record with its owner's name as the library spells the canonical form: it takes records of one
// set whose names differ in case for records of several.
func inCanonicalCase(rr dns.RR, owner name) dns.RR {
	text := owner.text()
	if rr.Header().Name == text {
		return rr
	}
	rr = dns.Copy(rr)
	rr.Header().Name = text
	return rr
}

// find is the set of that name and type that has records; nil where there is none.
func find(sets []*rrset, owner name, kind uint16) *rrset {
	for _, s := range sets {
		if s.owner == owner && s.kind == kind && len(s.records) > 0 {
			return s
		}
	}
	return nil
}

// signer is the name of the zone that says to have signed the set: of several, the nearest above the owner. A DS set
// and its denial belong to the parent's side of a delegation (RFC 4035 section 2.4), so there the owner itself does not
// count.
func (s *rrset) signer() (name, bool) {
	best, found := root, false
	for _, sig := range s.sigs {
		signer, err := nameOf(sig.SignerName)
		if err != nil || !s.owner.within(signer) || (s.kind == dns.TypeDS && signer == s.owner) {
			continue
		}
		if !found || len(signer) > len(best) {
			best, found = signer, true
		}
	}
	return best, found
}

// ttl is the lowest time to live of the set, in seconds; zero for a set without records.
func (s *rrset) ttl() uint32 {
	if len(s.records) == 0 {
		return 0
	}
	lowest := s.records[0].Header().Ttl
	for _, rr := range s.records[1:] {
		lowest = min(lowest, rr.Header().Ttl)
	}
	return lowest
}

// isSigned says whether any record of the message is a signature.
func isSigned(msg *dns.Msg) bool {
	for _, section := range [][]dns.RR{msg.Answer, msg.Ns} {
		for _, rr := range section {
			if rr.Header().Rrtype == dns.TypeRRSIG {
				return true
			}
		}
	}
	return false
}
