package dnssec

import (
	"slices"
	"time"

	"github.com/miekg/dns"
)

// zone is what a run knows of one zone: its keys, or why it has none that could be checked.
type zone struct {
	name     name
	keys     []key
	insecure *finding  // the zone above proves that there is no chain to it; keys is empty then
	chain    []Link    // from the anchor to this zone
	until    time.Time // until when all this may be believed without asking again
}

// vouched are the keys that the DS records vouch for, each with the record that does (RFC 4035 section 5.2).
func vouched(records []*dns.DS, keys []key, b *budget) (map[uint16]*dns.DS, []key, error) {
	by := make(map[uint16]*dns.DS)
	var trusted []key
	for _, ds := range records {
		tried := 0
		for _, k := range keys {
			if k.tag != ds.KeyTag || k.record.Algorithm != ds.Algorithm {
				continue
			}
			if tried++; tried > maxKeysPerTag {
				return nil, nil, errTooCostly
			}
			if err := b.digest(); err != nil {
				return nil, nil, err
			}
			made := k.record.ToDS(ds.DigestType)
			if made != nil && sameHex(made.Digest, ds.Digest) && !slices.Contains(trusted, k) {
				trusted = append(trusted, k)
				by[k.tag] = ds
			}
		}
	}
	return by, trusted, nil
}

// sameHex compares two texts of hexadecimal digits.
func sameHex(a, b string) bool {
	if len(a) != len(b) || a == "" {
		return false
	}
	for i := range len(a) {
		if a[i]|0x20 != b[i]|0x20 {
			return false
		}
	}
	return true
}

// usableDS are the DS records of a set that can be checked. Where a better digest is there, SHA-1's are not looked at
// (RFC 4509 section 3). With none of them the zone counts as unsigned (RFC 4035 section 5.2, RFC 6840 section 5.2), and
// the finding says for want of what.
func usableDS(set *rrset, parent name) ([]*dns.DS, *finding) {
	var usable []*dns.DS
	knownAlgorithm, better := false, false
	for _, rr := range set.records {
		ds, ok := rr.(*dns.DS)
		if !ok || !supportedAlgorithm(ds.Algorithm) {
			continue
		}
		knownAlgorithm = true
		if supportedDigest(ds.DigestType) {
			usable = append(usable, ds)
			better = better || ds.DigestType != dns.SHA1
		}
	}
	if better {
		usable = slices.DeleteFunc(usable, func(ds *dns.DS) bool { return ds.DigestType == dns.SHA1 })
	}
	switch {
	case len(usable) > 0:
		return usable, nil
	case knownAlgorithm:
		return nil, found(Insecure, CodeUnsupportedDigest, set.owner, set.owner, set.kind,
			"the DS records of zone %s in zone %s have only digests that cannot be checked here", set.owner, parent)
	default:
		return nil, found(Insecure, CodeUnsupported, set.owner, set.owner, set.kind,
			"the DS records of zone %s in zone %s have only algorithms that cannot be checked here", set.owner, parent)
	}
}

// enter makes a zone from its DNSKEY set and the DS records that the zone above, or the operator, vouches with: one of
// these keys must have signed the set.
func enter(owner name, records []*dns.DS, set *rrset, now time.Time, b *budget) (*zone, *finding) {
	if set == nil {
		return nil, found(Bogus, CodeKeyMissing, owner, owner, dns.TypeDNSKEY,
			"zone %s has no DNSKEY records, and a DS record says that it has", owner)
	}
	keys := signingKeys(set)
	by, trusted, err := vouched(records, keys, b)
	if err != nil {
		return nil, costly(owner)
	}
	if len(trusted) == 0 {
		return nil, found(Bogus, CodeKeyMissing, owner, owner, dns.TypeDNSKEY,
			"none of the keys of zone %s (%s) is one that is vouched for (%s)", owner, tagsOf(keys), tagsOfDS(records))
	}
	sig, f := verifySet(set, owner, trusted, now, b)
	if f != nil {
		return nil, f
	}
	if isExpanded(owner, sig) {
		return nil, attemptBad.finding(set, owner)
	}
	until := expiration(sig, now)
	link := Link{Zone: owner.String(), KeyTag: sig.KeyTag, Algorithm: algorithmName(sig.Algorithm),
		Vouched: digestName(by[sig.KeyTag].DigestType), Until: until}
	return &zone{name: owner, keys: keys, chain: []Link{link},
		until: earlier(until, now.Add(time.Duration(min(set.ttl(), sig.OrigTtl))*time.Second))}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// maxTagsShown is how many key tags a sentence lists.
const maxTagsShown = 4

func tagsOf(keys []key) string {
	tags := make([]uint16, len(keys))
	for i, k := range keys {
		tags[i] = k.tag
	}
	return tagList(tags)
}

func tagsOfDS(records []*dns.DS) string {
	tags := make([]uint16, len(records))
	for i, ds := range records {
		tags[i] = ds.KeyTag
	}
	return tagList(tags)
}
