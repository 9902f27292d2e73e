package dnssec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// Ask puts one question to the resolver under test, with the flags DO (RFC 3225) and CD (RFC 4035 section 3.2.2) set, so
// that signatures come along and come even where the resolver finds them wrong. The answer must be to this question; its
// size is the caller's to bound, as is the time, by ctx.
type Ask func(ctx context.Context, name string, qtype uint16) (*dns.Msg, error)

// run is one validation.
type run struct {
	ask     Ask
	anchors *Anchors
	now     time.Time
	known   *zoneCache // of the Validator; nil: nothing is taken from it
	took    bool       // something was taken from it
	signed  bool       // any answer had a signature in it
	zones   map[name]*zone
	budget  budget
	until   time.Time // the earliest end of a signature that counted
	sets    []Signed
	chain   []Link
}

// question asks for the records of a name; the answer says NOERROR or NXDOMAIN.
func (r *run) question(ctx context.Context, owner name, kind uint16) (*dns.Msg, *finding) {
	if err := r.budget.question(); err != nil {
		return nil, costly(owner)
	}
	msg, err := r.ask(ctx, owner.text(), kind)
	if err == nil && msg == nil {
		err = errors.New("no answer")
	}
	if err == nil && msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		err = fmt.Errorf("it answers %s", rcodeName(msg.Rcode))
	}
	if err != nil {
		f := found(Indeterminate, CodeNoAnswer, owner, owner, kind,
			"the resolver does not tell %s %s, which the chain needs", owner, typeName(kind))
		f.reason.Err = err
		return nil, f
	}
	if len(msg.Answer)+len(msg.Ns) > maxRecords {
		return nil, costly(owner)
	}
	r.signed = r.signed || isSigned(msg)
	return msg, nil
}

func rcodeName(rcode int) string {
	if text, ok := dns.RcodeToString[rcode]; ok {
		return text
	}
	return fmt.Sprintf("code %d", rcode)
}

// zoneOf walks down from the nearest anchor to the zone that the name is in: the deepest one at or above the name to
// which a chain leads. The finding is Insecure where a zone on the way is proved to be unsigned.
func (r *run) zoneOf(ctx context.Context, target name) (*zone, *finding) {
	z, f := r.start(ctx, target)
	for range maxLabels {
		if f != nil {
			return nil, f
		}
		r.chain = z.chain
		if z.insecure != nil {
			return nil, z.insecure
		}
		var next *zone
		if next, f = r.descend(ctx, z, target); next == z {
			return z, nil
		}
		z = next
	}
	return nil, costly(target)
}

// start is the deepest zone on the way to target that is known already, else the nearest anchor's.
func (r *run) start(ctx context.Context, target name) (*zone, *finding) {
	anchor, records := r.anchors.above(target)
	if len(records) == 0 {
		return nil, found(Indeterminate, CodeNoAnchor, target, target, dns.TypeDS, "no trust anchor stands above %s", target)
	}
	for n := target; ; n = n.parent() {
		if z := r.knownZone(n); z != nil {
			return z, nil
		}
		if n == anchor {
			break
		}
	}
	msg, f := r.question(ctx, anchor, dns.TypeDNSKEY)
	if f != nil {
		return nil, f
	}
	set := find(setsOf(msg.Answer), anchor, dns.TypeDNSKEY)
	if !isSigned(msg) {
		return nil, stripped(anchor)
	}
	z, f := enter(anchor, records, set, r.now, &r.budget)
	if f != nil {
		return nil, f
	}
	z.chain[0].Vouched = "anchor"
	r.keep(z)
	return z, nil
}

func stripped(anchor name) *finding {
	return found(Indeterminate, CodeStripped, anchor, anchor, dns.TypeDNSKEY,
		"the resolver hands out no signatures, not even over the keys of %s: it knows no DNSSEC, or something on the way "+
			"takes them out", anchor)
}

// knownZone is the zone from this run or from the runs before.
func (r *run) knownZone(n name) *zone {
	if z := r.zones[n]; z != nil {
		return z
	}
	z := r.known.get(n, r.now)
	if z != nil {
		r.took = true
	}
	return z
}

func (r *run) keep(z *zone) { r.zones[z.name] = z }

// descend goes from zone z towards the target to the next zone cut; z itself comes back where there is none.
func (r *run) descend(ctx context.Context, z *zone, target name) (*zone, *finding) {
	for labels := z.name.labels() + 1; labels <= target.labels(); labels++ {
		child := target.last(labels)
		next, on, f := r.delegation(ctx, z, child)
		if f != nil || next != nil {
			return next, f
		}
		if !on {
			break
		}
	}
	return z, nil
}

// delegation asks z for the DS records of a name below it. It is a zone where there are some, or where it is proved that
// there is a delegation without; else on says whether a name further down may still be one.
func (r *run) delegation(ctx context.Context, z *zone, child name) (next *zone, on bool, f *finding) {
	msg, f := r.question(ctx, child, dns.TypeDS)
	if f != nil {
		return nil, false, f
	}
	sets := setsOf(msg.Answer)
	if ds := find(sets, child, dns.TypeDS); ds != nil {
		next, f = r.signedChild(ctx, z, ds)
		return next, false, f
	}
	if r.isAlias(sets, z, child) {
		return nil, true, nil
	}
	d, sigs, fault := collectDenials(setsOf(msg.Ns), z, r.now, &r.budget)
	p := d.cut(child)
	if d.spent {
		return nil, false, costly(z.name)
	}
	switch p {
	case provedPlain:
		return nil, true, nil
	case provedNone:
		return nil, false, nil
	case provedCut, provedOpen, provedLoose:
		return r.unsignedChild(z, child, p, sigs), false, nil
	case unproved, proved:
	}
	if fault == nil {
		fault = missingDenial(msg, z.name, child, dns.TypeDS)
	}
	return nil, false, fault
}

// isAlias says whether the zone signs that the name is an alias: such a name is no delegation (RFC 1034 section 3.6.2,
// RFC 6672 section 2.4).
func (r *run) isAlias(sets []*rrset, z *zone, child name) bool {
	for _, s := range sets {
		isCNAME := s.kind == dns.TypeCNAME && s.owner == child
		isDNAME := s.kind == dns.TypeDNAME && child.below(s.owner)
		if (isCNAME || isDNAME) && len(s.records) > 0 {
			if _, f := verifySet(s, z.name, z.keys, r.now, &r.budget); f == nil {
				return true
			}
		}
	}
	return false
}

// signedChild enters the zone that the DS set vouches for.
func (r *run) signedChild(ctx context.Context, z *zone, ds *rrset) (*zone, *finding) {
	sig, f := verifySet(ds, z.name, z.keys, r.now, &r.budget)
	if f == nil && isExpanded(ds.owner, sig) {
		f = attemptBad.finding(ds, z.name)
	}
	if f != nil {
		return nil, f
	}
	if len(z.chain) >= maxDepth {
		return nil, costly(ds.owner)
	}
	signedUntil := expiration(sig, r.now)
	believed := earlier(z.until, earlier(signedUntil, r.now.Add(seconds(min(ds.ttl(), sig.OrigTtl)))))
	records, f := usableDS(ds, z.name)
	if f != nil {
		child := &zone{name: ds.owner, insecure: f, chain: z.chain, until: believed}
		r.keep(child)
		return child, nil
	}
	msg, f := r.question(ctx, ds.owner, dns.TypeDNSKEY)
	if f != nil {
		return nil, f
	}
	child, f := enter(ds.owner, records, find(setsOf(msg.Answer), ds.owner, dns.TypeDNSKEY), r.now, &r.budget)
	if f != nil {
		return nil, f
	}
	child.chain[0].Until = earlier(child.chain[0].Until, signedUntil)
	child.chain = append(z.chain[:len(z.chain):len(z.chain)], child.chain...)
	child.until = earlier(child.until, believed)
	r.keep(child)
	return child, nil
}

// unsignedChild is the zone below a delegation that is proved to have no DS record.
func (r *run) unsignedChild(z *zone, child name, p proof, sigs []*dns.RRSIG) *zone {
	f := found(Insecure, CodeUnsigned, child, child, dns.TypeDS,
		"zone %s is not signed: zone %s proves that it has no DS record for it", child, z.name)
	switch p {
	case provedOpen:
		f.reason.Code = CodeOptOut
		f.reason.said = fmt.Sprintf("zone %s is not signed: zone %s proves that it has no DS record for it (opt-out)",
			child, z.name)
	case provedLoose:
		f = iterations(z.name)
	default:
	}
	until := z.until
	for _, sig := range sigs {
		until = earlier(until, earlier(expiration(sig, r.now), r.now.Add(seconds(sig.OrigTtl))))
	}
	unsigned := &zone{name: child, insecure: f, chain: z.chain, until: until}
	r.keep(unsigned)
	return unsigned
}

func iterations(zone name) *finding {
	return found(Insecure, CodeIterations, zone, zone, dns.TypeNSEC3,
		"zone %s asks for more than %d NSEC3 iterations, so that what it denies counts as unsigned", zone, maxIterations)
}

// missingDenial is for a message that does not prove what it denies.
func missingDenial(msg *dns.Msg, zone, owner name, kind uint16) *finding {
	if !isSigned(msg) {
		return found(Bogus, CodeSignatureMissing, zone, owner, kind,
			"the answer that there is no %s %s comes without any signature, and zone %s is signed", owner, typeName(kind),
			zone)
	}
	return found(Bogus, CodeDenialMissing, zone, owner, kind,
		"no NSEC or NSEC3 record of zone %s proves that there is no %s %s", zone, owner, typeName(kind))
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
