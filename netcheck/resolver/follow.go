package resolver

import (
	"context"

	"github.com/miekg/dns"

	"sallyport/check"
)

// follow asks for the names behind the aliases of a first answer until the way ends, and judges it. The answer that
// judges is the last one; the error is that of a question to which no answer came.
func (x *Exchanger) follow(ctx context.Context, q Question, first Reply, want Want) (Verdict, *Error) {
	w := newWay(q)
	w.take(first.Msg)
	last := first.Msg
	for further := true; further && w.stopped(last); {
		reply, err := x.exchange(ctx, q.of(w.name))
		if err != nil {
			return w.verdict(nil), w.broken(ctx, err)
		}
		further, last = w.take(reply.Msg), reply.Msg
	}
	v := judge(&w, last, want)
	if last.Rcode == dns.RcodeServerFailure && v.Cause != check.DNSBogus {
		if bogus, ok := x.bogus(ctx, q.of(w.name)); ok {
			v = v.failed(check.DNSBogus, "%s%s", w.prefix(), bogus)
		} else if last = x.linkByLink(ctx, &w, last); w.aliased() {
			v = judge(&w, last, want)
		}
	}
	if v.Cause == check.DNSNoData && w.aliased() && x.endsNowhere(ctx, q.of(w.name)) {
		v = v.failed(check.DNSDangling, "%s, which has no address", w.lastLink())
	}
	return v, v.asError(first.Msg, last)
}

// of is the same question about another name.
func (q Question) of(name string) Question {
	q.Name = name
	return q
}

// prefix names the link before what is said of its target; empty for a name that is no alias.
func (w *way) prefix() string {
	if !w.aliased() {
		return ""
	}
	return w.lastLink() + ", and for that it "
}

// broken is the error of a link to whose target no answer came.
func (w *way) broken(ctx context.Context, err error) *Error {
	e := transportError(ctx, err)
	if e.Detail != "" {
		e.Detail = w.prefix() + e.Detail
	}
	return e
}

// bogus tells a failed validation from any other failure: a validating server answers when it is asked not to check
// (RFC 4035 section 5.5). The question is put once more as it was, so that a passing failure is not taken for a bad
// signature.
func (x *Exchanger) bogus(ctx context.Context, q Question) (detail string, ok bool) {
	unchecked := q
	unchecked.CheckingDisabled = true
	open, err := x.exchange(ctx, unchecked)
	if err != nil || (open.Msg.Rcode != dns.RcodeSuccess && open.Msg.Rcode != dns.RcodeNameError) {
		return "", false
	}
	again, err := x.exchange(ctx, q)
	if err != nil || again.Msg.Rcode != dns.RcodeServerFailure {
		return "", false
	}
	return "answers SERVFAIL" + extendedSuffix(again.Msg) + ", and " + RcodeName(open.Msg.Rcode) +
		" when asked not to validate", true
}

// linkByLink asks a server that failed at the whole for each alias by itself, to see at which name it fails: a resolver
// answers SERVFAIL for a loop, for too many aliases, and for one whose target's servers are gone. It returns the last
// answer.
func (x *Exchanger) linkByLink(ctx context.Context, w *way, last *dns.Msg) *dns.Msg {
	if w.q.Type == dns.TypeCNAME {
		return last
	}
	for !w.looped && !w.long {
		reply, err := x.exchange(ctx, Question{Name: w.name, Type: dns.TypeCNAME, Signatures: w.q.Signatures})
		if err != nil || reply.Msg.Rcode != dns.RcodeSuccess || !w.take(reply.Msg) {
			break
		}
	}
	if w.looped || w.long || !w.aliased() {
		return last
	}
	reply, err := x.exchange(ctx, w.q.of(w.name))
	if err != nil {
		return last
	}
	w.gaveUp = w.take(reply.Msg)
	return reply.Msg
}

// endsNowhere says that a name without an address of one family has none of the other either.
func (x *Exchanger) endsNowhere(ctx context.Context, q Question) bool {
	switch q.Type {
	case dns.TypeA:
		q.Type = dns.TypeAAAA
	case dns.TypeAAAA:
		q.Type = dns.TypeA
	default:
		return false
	}
	reply, err := x.exchange(ctx, q)
	if err != nil || reply.Msg.Rcode != dns.RcodeSuccess {
		return false
	}
	w := newWay(q)
	return !w.take(reply.Msg) && len(w.records) == 0
}
