package netcheck

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"sallyport/check"
)

// maxAnswersShown is how many records a sentence names.
const maxAnswersShown = 4

// dnsVerdict is what an answer means.
type dnsVerdict struct {
	cause  check.Cause // empty when the answer is good
	detail string
	data   []string // of the records of the type asked for, normalised, sorted, without duplicates
	chain  []string // the names that CNAMEs led through, the first one left out
	ttl    uint32   // seconds; the lowest of the chain and the records
}

// summary names the data for a person.
func (v dnsVerdict) summary() string { return summary(v.data) }

func summary(data []string) string {
	return list(shown(data, maxAnswersShown), len(data))
}

func (v dnsVerdict) failed(cause check.Cause, format string, args ...any) dnsVerdict {
	v.cause, v.detail = cause, fmt.Sprintf(format, args...)
	return v
}

func (v dnsVerdict) asError(r dnsReply) *DNSError {
	if v.cause == "" {
		return nil
	}
	return &DNSError{Cause: v.cause, Detail: v.detail, Rcode: rcodeName(r.msg.Rcode), Extended: extendedErrors(r.msg)}
}

// judgeReply says what a well-formed answer to q means. It is pure.
func judgeReply(q dnsQuestion, msg *dns.Msg, expect []string) dnsVerdict {
	v, looped := followChain(q, msg)
	said := "answers " + rcodeName(msg.Rcode) + extendedSuffix(msg)
	switch {
	case msg.Rcode == dns.RcodeNameError && len(v.chain) > 0:
		return v.failed(check.DNSDangling, "the name is an alias of %s, which does not exist", v.chain[len(v.chain)-1])
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
			summary(v.chain))
	case len(v.data) == 0:
		return v.judgeEmpty(msg)
	}
	return v.judgeData(q, expect)
}

// judgeEmpty is for NOERROR without a record of the type. With an SOA the server vouches that there is none (RFC 2308
// section 2.2); an alias without it was simply not followed to its end.
func (v dnsVerdict) judgeEmpty(msg *dns.Msg) dnsVerdict {
	last := ""
	if n := len(v.chain); n > 0 {
		last = v.chain[n-1]
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
func (v dnsVerdict) judgeData(q dnsQuestion, expect []string) dnsVerdict {
	if len(expect) > 0 {
		want := normalDNSData(q.qtype, expect)
		if !slices.Equal(want, v.data) {
			return v.failed(check.DNSMismatch, "answers %s instead of %s", v.summary(), summary(want))
		}
		return v
	}
	if q.qtype != dns.TypeA && q.qtype != dns.TypeAAAA {
		return v
	}
	for _, data := range v.data {
		if addr, err := netip.ParseAddr(data); err == nil && isPublicName(q.name) {
			if what := unfitForPublic(addr); what != "" {
				return v.failed(check.DNSMismatch, "answers %s, %s, for a public name", data, what)
			}
		}
	}
	return v
}

// followChain walks from the question's name along the CNAMEs to the records of the type. Records off that way count
// for nothing. looped says that the way leads back onto itself.
func followChain(q dnsQuestion, msg *dns.Msg) (v dnsVerdict, looped bool) {
	ttl := ^uint32(0)
	name := q.name
	seen := map[string]bool{name: true}
	for range len(msg.Answer) + 1 {
		next := ""
		for _, rr := range msg.Answer {
			if rr.Header().Class != dns.ClassINET || !strings.EqualFold(rr.Header().Name, name) {
				continue
			}
			if rr.Header().Rrtype == q.qtype || q.qtype == dns.TypeANY {
				v.data = append(v.data, recordData(rr))
				ttl = min(ttl, rr.Header().Ttl)
			} else if alias, ok := rr.(*dns.CNAME); ok {
				next = dns.CanonicalName(alias.Target)
				ttl = min(ttl, rr.Header().Ttl)
			}
		}
		if next == "" || len(v.data) > 0 {
			break
		}
		v.chain = append(v.chain, cleanText(strings.TrimSuffix(next, "."), maxDNSText))
		if seen[next] {
			looped = true
			break
		}
		seen[next] = true
		name = next
	}
	if len(v.data) > 0 || len(v.chain) > 0 {
		v.ttl = ttl
	}
	slices.Sort(v.data)
	v.data = slices.Compact(v.data)
	return v, looped
}

// explainServFail tells a failed validation from any other failure: a validating server answers when it is asked not
// to check (RFC 4035 section 5.5). The question is put once more as it was, so that a passing failure is not taken
// for a bad signature.
func explainServFail(ctx context.Context, server netip.AddrPort, q dnsQuestion, v dnsVerdict) dnsVerdict {
	unchecked := q
	unchecked.cd = true
	open, err := exchange(ctx, server, unchecked)
	if err != nil || (open.msg.Rcode != dns.RcodeSuccess && open.msg.Rcode != dns.RcodeNameError) {
		return v
	}
	again, err := exchange(ctx, server, q)
	if err != nil || again.msg.Rcode != dns.RcodeServerFailure {
		return v
	}
	return v.failed(check.DNSBogus, "answers SERVFAIL%s, and %s when asked not to validate", extendedSuffix(again.msg),
		rcodeName(open.msg.Rcode))
}
