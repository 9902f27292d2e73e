package resolver

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"sallyport/check"
)

// Verdict is what an answer means. Text in it is escaped.
type Verdict struct {
	Cause  check.Cause // empty when the answer is good
	Detail string
	Data   []string // of the records of the type asked for, normalised, sorted, without duplicates
	Chain  []string // the names that aliases led through, the first one left out
	TTL    uint32   // seconds; the lowest of the chain and the records
}

// Summary names the data for a person.
func (v Verdict) Summary() string { return summary(v.Data) }

func (v Verdict) failed(cause check.Cause, format string, args ...any) Verdict {
	v.Cause, v.Detail = cause, fmt.Sprintf(format, args...)
	return v
}

func (v Verdict) asError(r Reply) *Error {
	if v.Cause == "" {
		return nil
	}
	return &Error{Cause: v.Cause, Detail: v.Detail, Rcode: RcodeName(r.Msg.Rcode), Extended: ExtendedErrors(r.Msg)}
}

// judgeReply says what a well-formed answer to q means. It is pure.
func judgeReply(q Question, msg *dns.Msg, want Want) Verdict {
	v, looped := followChain(q, msg)
	said := "answers " + RcodeName(msg.Rcode) + extendedSuffix(msg)
	switch {
	case msg.Rcode == dns.RcodeNameError && len(v.Chain) > 0:
		return v.failed(check.DNSDangling, "the name is an alias of %s, which does not exist", v.Chain[len(v.Chain)-1])
	case msg.Rcode == dns.RcodeNameError:
		return v.failed(check.DNSNXDomain, "%s", said)
	case msg.Rcode == dns.RcodeRefused, msg.Rcode == dns.RcodeNotAuth:
		return v.failed(check.DNSRefused, "%s", said)
	case msg.Rcode == dns.RcodeServerFailure && isBogus(msg):
		return v.failed(check.DNSBogus, "%s", said)
	case msg.Rcode != dns.RcodeSuccess:
		return v.failed(check.DNSServFail, "%s", said)
	case looped:
		return v.failed(check.DNSDangling, "the name is an alias that leads back to itself: %s",
			summary(v.Chain))
	case len(v.Data) == 0:
		return v.judgeEmpty(msg)
	}
	return v.judgeData(q, want.Data)
}

// judgeEmpty is for NOERROR without a record of the type. With an SOA the server vouches that there is none (RFC 2308
// section 2.2); an alias without it was simply not followed to its end.
func (v Verdict) judgeEmpty(msg *dns.Msg) Verdict {
	last := ""
	if n := len(v.Chain); n > 0 {
		last = v.Chain[n-1]
	}
	vouched := slices.ContainsFunc(msg.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA })
	switch {
	case last != "" && vouched:
		return v.failed(check.DNSNoData, "the name is an alias of %s, which has no such record", last)
	case last != "":
		return v.failed(check.DNSDangling, "the name is an alias of %s, and there the answer ends", last)
	case len(msg.Answer) > 0:
		return v.failed(check.DNSMalformed, "answers with records of other names or types only")
	case !vouched && !msg.RecursionAvailable && len(msg.Ns) > 0:
		return v.failed(check.DNSRefused, "only refers to other name servers: it offers no recursion to this host")
	default:
		return v.failed(check.DNSNoData, "answers that the name has no such record%s", extendedSuffix(msg))
	}
}

// judgeData compares with what is expected; without an expectation it only looks for addresses that a public name
// never has.
func (v Verdict) judgeData(q Question, expect []string) Verdict {
	if len(expect) > 0 {
		want := normalData(q.Type, expect)
		if !slices.Equal(want, v.Data) {
			return v.failed(check.DNSMismatch, "answers %s instead of %s", v.Summary(), summary(want))
		}
		return v
	}
	if q.Type != dns.TypeA && q.Type != dns.TypeAAAA {
		return v
	}
	for _, data := range v.Data {
		if addr, err := netip.ParseAddr(data); err == nil && IsPublicName(q.Name) {
			if what := unfitForPublic(addr); what != "" {
				return v.failed(check.DNSMismatch, "answers %s, %s, for a public name", data, what)
			}
		}
	}
	return v
}

// followChain walks from the question's name along the CNAMEs to the records of the type. Records off that way count
// for nothing. looped says that the way leads back onto itself.
func followChain(q Question, msg *dns.Msg) (v Verdict, looped bool) {
	ttl := ^uint32(0)
	name := q.Name
	seen := map[string]bool{name: true}
	for range len(msg.Answer) + 1 {
		next := ""
		for _, rr := range msg.Answer {
			if rr.Header().Class != dns.ClassINET || !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			if rr.Header().Rrtype == q.Type || q.Type == dns.TypeANY {
				v.Data = append(v.Data, recordData(rr))
				ttl = min(ttl, rr.Header().Ttl)
			} else if alias, ok := rr.(*dns.CNAME); ok {
				next = dns.CanonicalName(alias.Target)
				ttl = min(ttl, rr.Header().Ttl)
			}
		}
		if next == "" || len(v.Data) > 0 {
			break
		}
		v.Chain = append(v.Chain, shownName(next))
		if seen[next] {
			looped = true
			break
		}
		seen[next] = true
		name = next
	}
	if len(v.Data) > 0 || len(v.Chain) > 0 {
		v.TTL = ttl
	}
	slices.Sort(v.Data)
	v.Data = slices.Compact(v.Data)
	return v, looped
}

// explainServFail tells a failed validation from any other failure: a validating server answers when it is asked not
// to check (RFC 4035 section 5.5). The question is put once more as it was, so that a passing failure is not taken
// for a bad signature.
func (x *Exchanger) explainServFail(ctx context.Context, q Question, v Verdict) Verdict {
	unchecked := q
	unchecked.CheckingDisabled = true
	open, err := x.exchange(ctx, unchecked)
	if err != nil || (open.Msg.Rcode != dns.RcodeSuccess && open.Msg.Rcode != dns.RcodeNameError) {
		return v
	}
	again, err := x.exchange(ctx, q)
	if err != nil || again.Msg.Rcode != dns.RcodeServerFailure {
		return v
	}
	return v.failed(check.DNSBogus, "answers SERVFAIL%s, and %s when asked not to validate", extendedSuffix(again.Msg),
		RcodeName(open.Msg.Rcode))
}
