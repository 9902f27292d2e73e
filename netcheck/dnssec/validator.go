package dnssec

import (
	"context"
	"time"

	"github.com/miekg/dns"
)

// Validator validates answers, and keeps the zones whose keys it has proved, so that a check which comes back every few
// seconds does not ask for the root's keys each time. It is safe for concurrent use.
type Validator struct {
	anchors *Anchors
	cache   zoneCache
}

// NewValidator is a validator that trusts the anchors and nothing else. They must not be changed any more.
func NewValidator(anchors *Anchors) *Validator { return &Validator{anchors: anchors} }

// Question is what an answer is to.
type Question struct {
	Name string // fully qualified
	Type uint16
}

// Validate judges the resolver's answer to the question at that time, and asks for the keys that it takes. The answer must
// have been asked for with the flag DO. It never fails: what keeps it from a verdict is the verdict's Reason.
//
// A zone that was proved in an earlier run may have changed its keys since: an answer that does not hold with what is
// kept is judged once more from the anchor.
func (v *Validator) Validate(ctx context.Context, ask Ask, q Question, answer *dns.Msg, now time.Time) Verdict {
	verdict, took := v.validate(ctx, ask, q, answer, now, &v.cache)
	if took && (verdict.Status == Bogus || verdict.Status == Indeterminate) && ctx.Err() == nil {
		v.cache.drop()
		verdict, _ = v.validate(ctx, ask, q, answer, now, nil)
	}
	return verdict
}

// validate is one pass; took says whether it used anything of known.
func (v *Validator) validate(ctx context.Context, ask Ask, q Question, answer *dns.Msg, now time.Time,
	known *zoneCache,
) (verdict Verdict, took bool) {
	r := &run{ask: ask, anchors: v.anchors, now: now, known: known, zones: make(map[name]*zone)}
	f := r.whole(ctx, q, answer)
	verdict = Verdict{Status: Secure, Chain: r.chain, Sets: r.sets, Until: r.until,
		Questions: r.budget.questions, Verifications: r.budget.verifications}
	if f != nil {
		verdict.Status, verdict.Reason, verdict.ClockOnly = f.status, f.reason, f.clockOnly
	}
	if verdict.Status == Secure || verdict.Status == Insecure {
		v.cache.put(r.zones, now)
	}
	return verdict, r.took
}

// whole judges the answer, and then, where nothing at all was signed, whether the resolver hands out signatures.
func (r *run) whole(ctx context.Context, q Question, msg *dns.Msg) *finding {
	owner, err := nameOf(q.Name)
	if err != nil {
		f := found(Indeterminate, CodeNoAnswer, root, root, q.Type, "the question's name is none")
		f.reason.Err = err
		return f
	}
	if f := unfit(owner, q.Type, msg); f != nil {
		return f
	}
	r.signed = isSigned(msg)
	f := r.judge(ctx, owner, q.Type, msg)
	if f == nil || f.status != Bogus || r.signed {
		return f
	}
	anchor, _ := r.anchors.above(owner)
	if keys, unasked := r.question(ctx, anchor, dns.TypeDNSKEY); unasked == nil && !isSigned(keys) {
		return stripped(anchor)
	}
	return f
}

// unfit says why an answer cannot be judged.
func unfit(owner name, kind uint16, msg *dns.Msg) *finding {
	switch {
	case msg == nil:
		return found(Indeterminate, CodeNoAnswer, owner, owner, kind, "there is no answer to judge")
	case msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError:
		return found(Indeterminate, CodeNoAnswer, owner, owner, kind, "the answer %s has nothing to judge",
			rcodeName(msg.Rcode))
	case kind == dns.TypeANY || kind == dns.TypeRRSIG:
		return found(Indeterminate, CodeNoAnswer, owner, owner, kind, "answers of type %s are not signed as a whole",
			typeName(kind))
	case len(msg.Answer)+len(msg.Ns) > maxRecords:
		return costly(owner)
	default:
		return nil
	}
}
