package dnssec

import (
	"context"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// answer is the message that is judged, in sets.
type answer struct {
	msg    *dns.Msg
	sets   []*rrset // of the answer section
	denial []*rrset // of the authority section
}

func newAnswer(msg *dns.Msg) *answer {
	return &answer{msg: msg, sets: setsOf(msg.Answer), denial: setsOf(msg.Ns)}
}

// judge follows the answer from the question's name along its aliases to the records, or to the denial, and proves each
// step. The first one that is not Secure ends it: nothing behind it would mend that.
func (r *run) judge(ctx context.Context, q name, kind uint16, msg *dns.Msg) *finding {
	a := newAnswer(msg)
	for range maxAliases {
		if s := find(a.sets, q, kind); s != nil {
			return r.last(ctx, a, s)
		}
		next, isAlias, f := r.alias(ctx, a, q)
		if f != nil {
			return f
		}
		if !isAlias {
			return r.negative(ctx, a, q, kind)
		}
		q = next
		if a, f = r.further(ctx, a, q, kind); f != nil {
			return f
		}
	}
	return found(Indeterminate, CodeAliasLoop, q, q, dns.TypeCNAME,
		"the answer leads through more than %d aliases", maxAliases)
}

// further is the answer that speaks of an alias' target: the same one, or, where that ends at the alias without a word on
// the target, the resolver's answer to a question of its own.
func (r *run) further(ctx context.Context, a *answer, target name, kind uint16) (*answer, *finding) {
	speaks := func(s *rrset) bool {
		return s.kind == dns.TypeSOA || s.kind == dns.TypeNSEC || s.kind == dns.TypeNSEC3
	}
	told := find(a.sets, target, kind) != nil || find(a.sets, target, dns.TypeCNAME) != nil ||
		slices.ContainsFunc(a.sets, func(s *rrset) bool { return s.kind == dns.TypeDNAME && target.below(s.owner) })
	if told || a.msg.Rcode != dns.RcodeSuccess || slices.ContainsFunc(a.denial, speaks) {
		return a, nil
	}
	msg, f := r.question(ctx, target, kind)
	if f != nil {
		return nil, f
	}
	return newAnswer(msg), nil
}

// last proves the records that the question is for. The response code is not signed: one that denies the name is
// contradicted by them.
func (r *run) last(ctx context.Context, a *answer, s *rrset) *finding {
	f := r.positive(ctx, a, s)
	if f == nil && a.msg.Rcode == dns.RcodeNameError {
		return found(Bogus, CodeDenialMissing, s.owner, s.owner, s.kind,
			"the answer says that %s does not exist, and has its signed records", s.owner)
	}
	return f
}

// alias proves the DNAME or CNAME that stands at or above the name, and says where it leads. A CNAME that a server made
// from a DNAME is not signed, but must be what the DNAME makes of the name (RFC 6672 section 5.3.1).
func (r *run) alias(ctx context.Context, a *answer, owner name) (next name, isAlias bool, f *finding) {
	cname := find(a.sets, owner, dns.TypeCNAME)
	for above := owner; above != root; {
		above = above.parent()
		if d := find(a.sets, above, dns.TypeDNAME); d != nil {
			return r.throughDNAME(ctx, a, d, cname, owner)
		}
	}
	if cname == nil {
		return "", false, nil
	}
	next, ok := aliasTarget(cname)
	if !ok {
		return "", false, attemptBad.finding(cname, owner)
	}
	return next, true, r.positive(ctx, a, cname)
}

func (r *run) throughDNAME(ctx context.Context, a *answer, d, cname *rrset, owner name) (name, bool, *finding) {
	if f := r.positive(ctx, a, d); f != nil {
		return "", false, f
	}
	to, ok := aliasTarget(d)
	if !ok {
		return "", false, attemptBad.finding(d, d.owner)
	}
	next, ok := owner.rebase(d.owner, to)
	if cname != nil {
		said, single := aliasTarget(cname)
		ok = ok && single && said == next
	}
	if !ok {
		return "", false, found(Bogus, CodeForgedAlias, d.owner, owner, dns.TypeCNAME,
			"%s CNAME is not what the signed DNAME at %s makes of the name", owner, d.owner)
	}
	return next, true, nil
}

// aliasTarget is where the one CNAME or DNAME of a set leads.
func aliasTarget(s *rrset) (name, bool) {
	if len(s.records) != 1 {
		return "", false
	}
	var text string
	switch rr := s.records[0].(type) {
	case *dns.CNAME:
		text = rr.Target
	case *dns.DNAME:
		text = rr.Target
	}
	target, err := nameOf(text)
	return target, err == nil && text != ""
}

// positive proves a set that is there.
func (r *run) positive(ctx context.Context, a *answer, s *rrset) *finding {
	signer, isSigned := s.signer()
	if !isSigned {
		signer = zoneSide(s.owner, s.kind)
	}
	z, f := r.zoneOf(ctx, signer)
	if f != nil {
		return f
	}
	if isSigned && z.name != signer {
		return found(Bogus, CodeKeyMissing, z.name, s.owner, s.kind,
			"%s is signed by %s, which is no zone of its own", s.describe(), signer)
	}
	sig, f := verifySet(s, z.name, z.keys, r.now, &r.budget)
	if f != nil {
		return f
	}
	r.note(s, z, sig)
	if !isExpanded(s.owner, sig) {
		return nil
	}
	return r.wildcard(a, s, z, sig)
}

// zoneSide is the name at which the walk for records of that type must end: DS records are the parent's.
func zoneSide(owner name, kind uint16) name {
	if kind == dns.TypeDS {
		return owner.parent()
	}
	return owner
}

// note keeps what was verified for the verdict.
func (r *run) note(s *rrset, z *zone, sig *dns.RRSIG) {
	until := expiration(sig, r.now)
	r.sets = append(r.sets, Signed{Name: s.owner.String(), Type: typeName(s.kind), Zone: z.name.String(),
		KeyTag: sig.KeyTag, Algorithm: algorithmName(sig.Algorithm), Until: until, Wildcard: isExpanded(s.owner, sig)})
	r.holds(until)
	for _, link := range z.chain {
		r.holds(link.Until)
	}
}

// holds lowers the end of the whole to that of one more signature.
func (r *run) holds(until time.Time) {
	if r.until.IsZero() || until.Before(r.until) {
		r.until = until
	}
}

// wildcard proves that a set which was made from a wildcard's stands for a name that does not exist by itself, and that
// no nearer wildcard does (RFC 4035 section 5.3.4, RFC 5155 section 8.8).
func (r *run) wildcard(a *answer, s *rrset, z *zone, sig *dns.RRSIG) *finding {
	d, sigs, fault := collectDenials(a.denial, z, r.now, &r.budget)
	p := d.noCloser(s.owner, s.owner.last(int(sig.Labels)))
	if p == unproved && fault == nil && !d.spent {
		return found(Bogus, CodeDenialMissing, z.name, s.owner, s.kind,
			"%s was made from a wildcard, and no NSEC or NSEC3 record of zone %s proves that the name itself is not there",
			s.describe(), z.name)
	}
	return r.conclude(a, z, s.owner, s.kind, d, p, sigs, fault)
}

// negative proves that the name, or its records of the type, are not there.
func (r *run) negative(ctx context.Context, a *answer, owner name, kind uint16) *finding {
	signer, isSigned := denialSigner(a.denial, owner, kind)
	if !isSigned {
		signer = zoneSide(owner, kind)
	}
	z, f := r.zoneOf(ctx, signer)
	if f != nil {
		return f
	}
	d, sigs, fault := collectDenials(a.denial, z, r.now, &r.budget)
	p := d.noData(owner, kind)
	if a.msg.Rcode == dns.RcodeNameError {
		p = d.noName(owner)
	}
	return r.conclude(a, z, owner, kind, d, p, sigs, fault)
}

// denialSigner is the zone that signed the denials of an answer about the owner.
func denialSigner(sets []*rrset, owner name, kind uint16) (name, bool) {
	best, found := root, false
	for _, s := range sets {
		if s.kind != dns.TypeNSEC && s.kind != dns.TypeNSEC3 {
			continue
		}
		signer, ok := s.signer()
		if !ok || !zoneSide(owner, kind).within(signer) {
			continue
		}
		if !found || len(signer) > len(best) {
			best, found = signer, true
		}
	}
	return best, found
}

// conclude turns a proof into the finding that it is, nil where it is a proof.
func (r *run) conclude(a *answer, z *zone, owner name, kind uint16, d *denial, p proof, sigs []*dns.RRSIG,
	fault *finding,
) *finding {
	switch {
	case d.spent:
		return costly(z.name)
	case p == provedOpen:
		return found(Insecure, CodeOptOut, z.name, owner, kind,
			"zone %s leaves unsigned delegations out of its proofs (opt-out), so that %s %s may be denied wrongly",
			z.name, owner, typeName(kind))
	case p == provedLoose:
		return iterations(z.name)
	case p == unproved && fault != nil:
		return fault
	case p == unproved:
		return missingDenial(a.msg, z.name, owner, kind)
	}
	for _, sig := range sigs {
		r.holds(expiration(sig, r.now))
		r.sets = append(r.sets, signedDenial(sig, z, r.now))
	}
	return nil
}

// signedDenial is a denial's signature for the verdict.
func signedDenial(sig *dns.RRSIG, z *zone, now time.Time) Signed {
	owner, _ := nameOf(sig.Hdr.Name) // it was one when its set was made
	return Signed{Name: owner.String(), Type: typeName(sig.TypeCovered), Zone: z.name.String(), KeyTag: sig.KeyTag,
		Algorithm: algorithmName(sig.Algorithm), Until: expiration(sig, now)}
}
