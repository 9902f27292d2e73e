package dnssec

import (
	"slices"
	"time"

	"github.com/miekg/dns"
)

// proof is what the denials of a message prove.
type proof uint8

const (
	unproved    proof = iota
	proved            // what was asked about is proved
	provedOpen        // proved but for unsigned delegations, of which the zone does not tell (opt-out)
	provedCut         // a delegation is there, and no DS record
	provedNone        // no such name: nothing can be below it
	provedPlain       // a name that is no delegation
	provedLoose       // NSEC3 records that ask for too many iterations: none of them is looked at
)

// denial is the signed NSEC and NSEC3 records of one zone in one message.
type denial struct {
	zone   name
	nsec   []nsec
	nsec3  []nsec3
	loose  bool // the zone's NSEC3 records have more than maxIterations
	budget *budget
	spent  bool // the hashes have used up the budget
}

// nxName is the type that says, in the NSEC record of a name, that the name does not exist (RFC 9824 section 2.2).
const nxName = 128

// collectDenials verifies the NSEC and NSEC3 sets of a section that the zone has signed. A set that does not verify
// proves nothing; the first such finding comes back, to say why a proof is missing. Records that were made from a
// wildcard's prove nothing either: they would deny whatever one likes (RFC 4035 section 5.4).
func collectDenials(sets []*rrset, z *zone, now time.Time, b *budget) (*denial, []*dns.RRSIG, *finding) {
	d := &denial{zone: z.name, budget: b}
	var first *finding
	var sigs []*dns.RRSIG
	looked := 0
	for _, s := range sets {
		if (s.kind != dns.TypeNSEC && s.kind != dns.TypeNSEC3) || len(s.records) == 0 || !s.owner.within(z.name) {
			continue
		}
		if looked++; looked > maxDenials {
			break
		}
		sig, f := verifySet(s, z.name, z.keys, now, b)
		if f == nil && isExpanded(s.owner, sig) {
			f = attemptBad.finding(s, z.name)
		}
		if f != nil {
			if first == nil {
				first = f
			}
			continue
		}
		sigs = append(sigs, sig)
		for _, rr := range s.records {
			d.add(s.owner, rr)
		}
	}
	return d, sigs, first
}

func (d *denial) add(owner name, rr dns.RR) {
	switch rr := rr.(type) {
	case *dns.NSEC:
		if next, err := nameOf(rr.NextDomain); err == nil && next.within(d.zone) {
			d.nsec = append(d.nsec, nsec{owner: owner, next: next, types: rr.TypeBitMap})
		}
	case *dns.NSEC3:
		d.addNSEC3(owner, rr)
	}
}

// noName is the proof that the name does not exist, nor a wildcard that would stand for it.
func (d *denial) noName(n name) proof {
	if d.loose {
		return provedLoose
	}
	if d.nsecNoName(n) {
		return proved
	}
	return d.nsec3NoName(n)
}

// noData is the proof that the name has no record of the type.
func (d *denial) noData(n name, kind uint16) proof {
	if d.loose {
		return provedLoose
	}
	if d.nsecNoData(n, kind) {
		return proved
	}
	if p := d.nsec3NoData(n, kind); p != unproved {
		return p
	}
	return d.noName(n) // what does not exist has no data either
}

// noCloser is the proof that nothing stands nearer to the name than the wildcard below encloser.
func (d *denial) noCloser(n, encloser name) proof {
	if d.loose {
		return provedLoose
	}
	if d.nsecNoCloser(n, encloser) {
		return proved
	}
	return d.nsec3NoCloser(n, encloser)
}

// cut is what is proved about a delegation at the name, whose DS records were asked for and did not come.
func (d *denial) cut(n name) proof {
	if d.loose {
		return provedLoose
	}
	if p := d.nsecCut(n); p != unproved {
		return p
	}
	return d.nsec3Cut(n)
}

// bits are the types of a name, as an NSEC or NSEC3 record lists them.
type bits []uint16

func (b bits) has(kind uint16) bool { return slices.Contains(b, kind) }

// isDelegation says whether the name is the parent's side of a zone cut: the record speaks for no data there but DS, and
// for nothing below (RFC 6840 section 4.1, RFC 5155 section 8.9).
func (b bits) isDelegation() bool { return b.has(dns.TypeNS) && !b.has(dns.TypeSOA) }

// speaksBelow says whether the record may prove what is below its owner's name: not at a delegation, nor at a DNAME.
func (b bits) speaksBelow() bool { return !b.isDelegation() && !b.has(dns.TypeDNAME) }

// lacks says whether the record, at the very name, proves that the type is not there. The child's side of a cut says
// nothing about DS, the parent's about nothing else (RFC 6840 section 4.1 and 4.4).
func (b bits) lacks(n name, kind uint16) bool {
	if kind == dns.TypeDS {
		if b.has(dns.TypeSOA) && n != root {
			return false
		}
	} else if b.isDelegation() {
		return false
	}
	return !b.has(kind) && !b.has(dns.TypeCNAME)
}

// cut is what the record at the very name proves about a delegation without DS there.
func (b bits) cut() proof {
	switch {
	case b.has(dns.TypeSOA), b.has(dns.TypeDS):
		return unproved
	case b.has(nxName):
		return provedNone
	case b.has(dns.TypeNS):
		return provedCut
	default:
		return provedPlain
	}
}
