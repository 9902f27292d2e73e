package dnssec

import (
	"crypto/sha1" //nolint:gosec // the one hash that NSEC3 has (RFC 5155 section 11); it hides names and proves nothing
	"encoding/base32"
	"encoding/hex"
	"strings"

	"github.com/miekg/dns"
)

// maxIterations is how many additional iterations an NSEC3 record may ask for. A zone with more counts as unsigned, once
// its records' signatures hold (RFC 9276 section 3.2 lets a validator do so); 150 is where the common resolvers drew
// the line.
const maxIterations = 150

// hashed is a name's hash, as octets.
type hashed string

// nsec3 is an NSEC3 record (RFC 5155 section 3): between owner and next there is no hash of a name of the zone.
type nsec3 struct {
	owner, next hashed
	optOut      bool // there may be unsigned delegations between (RFC 5155 section 6)
	iterations  uint16
	salt        string // octets
	types       bits
}

// addNSEC3 takes a record in whose hash and flags are known, whose owner is a hash right below the zone, and which has the
// zone's one set of parameters; others are to be ignored (RFC 5155 section 8.1 and 8.2).
func (d *denial) addNSEC3(owner name, rr *dns.NSEC3) {
	const optOut = 1
	if rr.Hash != dns.SHA1 || rr.Flags&^optOut != 0 || owner == root || owner.parent() != d.zone {
		return
	}
	own, ok := hashOf(string(owner[1 : 1+int(owner[0])]))
	next, ok2 := hashOf(rr.NextDomain)
	salt, err := hex.DecodeString(rr.Salt)
	if !ok || !ok2 || err != nil {
		return
	}
	if rr.Iterations > maxIterations {
		d.loose = true
		return
	}
	r := nsec3{owner: own, next: next, optOut: rr.Flags&optOut != 0, iterations: rr.Iterations, salt: string(salt),
		types: rr.TypeBitMap}
	if len(d.nsec3) > 0 && (r.salt != d.nsec3[0].salt || r.iterations != d.nsec3[0].iterations) {
		return
	}
	d.nsec3 = append(d.nsec3, r)
}

// hashOf is the hash that a label spells in base 32 (RFC 4648 section 7).
func hashOf(label string) (hashed, bool) {
	raw, err := base32.HexEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(label))
	return hashed(raw), err == nil && len(raw) == sha1.Size
}

// hash is the name's hash with the zone's parameters (RFC 5155 section 5); false where the budget is spent.
func (d *denial) hash(n name) (hashed, bool) {
	params := d.nsec3[0]
	if d.budget.hash(params.iterations, len(params.salt)) != nil {
		d.spent = true
		return "", false
	}
	sum := sha1.Sum([]byte(string(n) + params.salt)) //nolint:gosec // see the import
	block := append(sum[:], params.salt...)
	for range params.iterations {
		sum = sha1.Sum(block) //nolint:gosec // see the import
		copy(block, sum[:])
	}
	return hashed(sum[:]), true
}

func (r nsec3) covers(h hashed) bool {
	if r.owner < r.next {
		return r.owner < h && h < r.next
	}
	return h != r.owner && h != r.next && (h > r.owner || h < r.next)
}

func (d *denial) nsec3At(n name) (nsec3, bool) {
	return d.nsec3Where(n, func(r nsec3, h hashed) bool { return r.owner == h })
}

func (d *denial) nsec3Over(n name) (nsec3, bool) {
	return d.nsec3Where(n, nsec3.covers)
}

func (d *denial) nsec3Where(n name, fits func(nsec3, hashed) bool) (nsec3, bool) {
	if len(d.nsec3) == 0 || !n.within(d.zone) {
		return nsec3{}, false
	}
	h, ok := d.hash(n)
	if !ok {
		return nsec3{}, false
	}
	for _, r := range d.nsec3 {
		if fits(r, h) {
			return r, true
		}
	}
	return nsec3{}, false
}

// closest is the proof that encloser is the closest existing name above n (RFC 5155 section 8.3): it has a record, and the
// name one label nearer to n is covered, by next.
func (d *denial) closest(n name) (encloser name, next nsec3, ok bool) {
	for nearer := n; nearer.below(d.zone); nearer = nearer.parent() {
		above, found := d.nsec3At(nearer.parent())
		if !found {
			continue
		}
		if !above.types.speaksBelow() {
			return "", nsec3{}, false
		}
		next, ok = d.nsec3Over(nearer)
		return nearer.parent(), next, ok
	}
	return "", nsec3{}, false
}

// openIf is proved, unless the covering record leaves unsigned delegations out.
func openIf(optOut bool) proof {
	if optOut {
		return provedOpen
	}
	return proved
}

// nsec3NoName follows RFC 5155 section 8.4.
func (d *denial) nsec3NoName(n name) proof {
	encloser, next, ok := d.closest(n)
	if !ok {
		return unproved
	}
	wildcard, ok := encloser.wildcard()
	if ok {
		if _, covered := d.nsec3Over(wildcard); !covered {
			return unproved
		}
	}
	return openIf(next.optOut)
}

// nsec3NoData follows RFC 5155 sections 8.5, 8.6 and 8.7. An empty name above unsigned delegations only has no record
// either where they are left out, so that opt-out counts for every type (erratum 3441).
func (d *denial) nsec3NoData(n name, kind uint16) proof {
	if r, ok := d.nsec3At(n); ok {
		if r.types.lacks(n, kind) {
			return proved
		}
		return unproved
	}
	encloser, next, ok := d.closest(n)
	if !ok {
		return unproved
	}
	if wildcard, fits := encloser.wildcard(); fits {
		if w, there := d.nsec3At(wildcard); there {
			if w.types.lacks(wildcard, kind) {
				return openIf(next.optOut)
			}
			return unproved
		}
	}
	if next.optOut {
		return provedOpen
	}
	return unproved
}

// nsec3NoCloser follows RFC 5155 section 8.8: the encloser is known from the signature's count of labels.
func (d *denial) nsec3NoCloser(n, encloser name) proof {
	if !n.below(encloser) {
		return unproved
	}
	next, ok := d.nsec3Over(n.last(encloser.labels() + 1))
	if !ok {
		return unproved
	}
	return openIf(next.optOut)
}

// nsec3Cut follows RFC 5155 section 8.9: a delegation that is covered with opt-out is an unsigned one.
func (d *denial) nsec3Cut(n name) proof {
	if r, ok := d.nsec3At(n); ok {
		return r.types.cut()
	}
	_, next, ok := d.closest(n)
	switch {
	case !ok:
		return unproved
	case next.optOut:
		return provedOpen
	default:
		return provedNone
	}
}
