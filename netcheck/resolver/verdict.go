package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"sallyport/check"
)

// Fault tells apart what one cause stands for, where different things mend it.
type Fault uint8

// The faults. The zero value is that the cause says it all.
const (
	Unvalidated  Fault = iota + 1 // a good answer, but the server does not say that it validated it
	Internal                      // an address of an inner network for a public name
	NotOffered                    // the service's one target is the root
	DeadTargets                   // targets of a service have no address
	TooManyLinks                  // a chain of aliases that is good, but too long
)

// Verdict is what an answer means. Text in it is escaped.
type Verdict struct {
	Cause   check.Cause // empty when the answer is good
	Fault   Fault
	Minor   bool // a program that uses the answer is served all the same
	Detail  string
	Data    []string   // of the records of the type asked for, normalised, sorted, without duplicates
	Chain   []string   // the names that aliases led through, the first one left out
	Links   []Link     // the same, with what was told of each; none for a name that is no alias
	TTL     uint32     // seconds; the lowest of the chain and the records
	Targets []Instance // of SRV records, in the order in which they are to be used

	records []dns.RR
}

// Summary names the data for a person.
func (v Verdict) Summary() string { return summary(v.Data) }

func (v Verdict) failed(cause check.Cause, format string, args ...any) Verdict {
	v.Cause, v.Detail = cause, fmt.Sprintf(format, args...)
	return v
}

// as is the verdict with its fault.
func (v Verdict) as(f Fault) Verdict {
	v.Fault = f
	return v
}

// asError is the verdict as an error. Programs hear the first answer's rcode; the last one explains.
func (v Verdict) asError(first, last *dns.Msg) *Error {
	if v.Cause == "" {
		return nil
	}
	return &Error{Cause: v.Cause, Fault: v.Fault, Minor: v.Minor, Detail: v.Detail, Rcode: RcodeName(first.Rcode),
		Extended: ExtendedErrors(last)}
}

// judgeReply says what a single well-formed answer to q means.
func judgeReply(q Question, msg *dns.Msg, want Want) Verdict {
	w := newWay(q)
	w.take(msg)
	return judge(&w, msg, want)
}

// judge says what the way means whose last answer is msg. It is pure.
func judge(w *way, msg *dns.Msg, want Want) Verdict {
	v := w.verdict(msg)
	switch {
	case w.looped:
		return v.failed(check.DNSDangling, "the name is an alias that leads back to itself: %s leads to %s",
			summary(v.Chain), w.links[len(w.links)-1].Target)
	case w.long:
		return v.failed(check.DNSDangling, "the name is an alias of an alias, and so on: more than %d links", MaxLinks).
			as(TooManyLinks)
	case w.gaveUp && len(w.records) > 0:
		return v.failed(check.DNSDangling, "answers SERVFAIL, though each link of the chain by itself: its %d aliases "+
			"one after another are too many for the server", len(w.links)).as(TooManyLinks)
	case msg.Rcode != dns.RcodeSuccess:
		return judgeRcode(w, v, msg)
	case len(v.Data) == 0:
		return judgeEmpty(w, v, msg)
	}
	return v.judgeData(w, want)
}

// judgeRcode is for an answer that is an error. Behind an alias it is about the last name (RFC 6604 section 2.1): an
// alias to a zone that its server refuses, or fails at, ends nowhere as one to a name that is gone.
func judgeRcode(w *way, v Verdict, msg *dns.Msg) Verdict {
	said := "answers " + RcodeName(msg.Rcode) + extendedSuffix(msg)
	cause := check.DNSServFail
	switch {
	case msg.Rcode == dns.RcodeNameError:
		cause = check.DNSNXDomain
	case msg.Rcode == dns.RcodeRefused, msg.Rcode == dns.RcodeNotAuth:
		cause = check.DNSRefused
	case msg.Rcode == dns.RcodeServerFailure && isBogus(msg):
		cause = check.DNSBogus
	}
	switch {
	case !w.aliased():
		return v.failed(cause, "%s", said)
	case cause == check.DNSNXDomain:
		return v.failed(check.DNSDangling, "%s, which does not exist", w.lastLink())
	case cause == check.DNSBogus:
		return v.failed(cause, "%s, and for that it %s", w.lastLink(), said)
	default:
		return v.failed(check.DNSDangling, "%s, and for that it %s", w.lastLink(), said)
	}
}

// judgeEmpty is for NOERROR without a record of the type.
func judgeEmpty(w *way, v Verdict, msg *dns.Msg) Verdict {
	switch {
	case w.aliased():
		return v.failed(check.DNSNoData, "%s, which has no such record", w.lastLink())
	case len(msg.Answer) > 0:
		return v.failed(check.DNSMalformed, "answers with records of other names or types only")
	case !vouched(msg) && !msg.RecursionAvailable && len(msg.Ns) > 0:
		return v.failed(check.DNSRefused, "only refers to other name servers: it offers no recursion to this host")
	default:
		return v.failed(check.DNSNoData, "answers that the name has no such record%s", extendedSuffix(msg))
	}
}

// judgeData compares with what is wanted; without expected data it only looks for what nobody means.
func (v Verdict) judgeData(w *way, want Want) Verdict {
	if expected := normalData(w.q.Type, want.Data); len(expected) > 0 && !slices.Equal(expected, v.Data) {
		return v.failed(check.DNSMismatch, "answers %s instead of %s", v.Summary(), summary(expected))
	}
	if want.Authenticated && !w.validated {
		return v.failed(check.DNSMismatch, "answers %s, but does not say that it validated the answer (no AD bit)",
			v.Summary()).as(Unvalidated)
	}
	if len(want.Data) == 0 && notOffered(v.records) {
		return v.failed(check.DNSNoData, "answers that the service is decidedly not offered: the target is the root "+
			"(RFC 2782)").as(NotOffered)
	}
	if len(want.Data) > 0 || !IsPublicName(w.q.Name) {
		return v
	}
	return v.judgeAddresses(w.q, want)
}

// judgeAddresses looks for addresses that lead a public name astray.
func (v Verdict) judgeAddresses(q Question, want Want) Verdict {
	if q.Type != dns.TypeA && q.Type != dns.TypeAAAA {
		return v
	}
	for _, data := range v.Data {
		addr, err := netip.ParseAddr(data)
		if err != nil {
			continue
		}
		if what := unfitForPublic(addr); what != "" {
			return v.failed(check.DNSMismatch, "answers %s, %s, for a public name", data, what)
		}
		if what := internal(addr); what != "" && !want.owns(q.Name) {
			return v.failed(check.DNSMismatch, "answers %s, %s, for a public name", data, what).as(Internal)
		}
	}
	return v
}

// owns says whether the name lies below a domain that the host holds for its own.
func (w Want) owns(name string) bool {
	if w.Own == nil {
		return false
	}
	return slices.ContainsFunc(w.Own(), func(domain string) bool {
		domain = dns.CanonicalName(domain)
		return strings.Contains(strings.TrimSuffix(domain, "."), ".") && dns.IsSubDomain(domain, name)
	})
}
