package netcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/check"
)

const (
	// defaultDNSTimeout bounds a run whose context brings no deadline.
	defaultDNSTimeout = 5 * time.Second
	// maxParallelServers is how many servers are asked at the same time.
	maxParallelServers = 16
)

// DNSTarget is a name that must resolve at each of the servers.
type DNSTarget struct {
	Query   string           // taken as fully qualified: no search list is applied; for PTR an address will do
	Type    string           // a record type by its name: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, ...
	Servers []netip.AddrPort // asked one by one; empty: those of /etc/resolv.conf, read anew at each run
	Expect  []string         // where given, the answer's data must be exactly these, in any order

	resolvConf string // instead of /etc/resolv.conf, for tests
}

// DNS is the check of a DNSTarget. Each server is asked separately, by UDP with a few repetitions and by TCP when the
// answer was truncated (RFC 7766 section 5), and is an endpoint of the result.
//
// The verdict follows what a stub resolver would live through (resolver(5)): it takes the first definite answer, and
// passes by a server that gives none.
//   - All servers fail: fail, with the cause of the first one.
//   - One gives another definite answer than the others (it denies the name, or its data is not the expected): fail,
//     with dns.mismatch, because it is chance which one the host hears.
//   - One gives no answer (silent, unreachable, refusing, SERVFAIL, garbage) and another does: warn, with its cause.
//   - Different addresses are no disagreement: round robin and geographic answers are usual. Who wants them fixed
//     writes Expect.
func DNS(target DNSTarget) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result {
		ctx, cancel := withDeadline(ctx, defaultDNSTimeout)
		defer cancel()
		question, err := newDNSQuestion(target.Query, target.Type)
		if err != nil {
			return check.Result{Status: check.Unknown, Cause: check.Internal, Detail: err.Error(),
				Remedy: "Correct query and type of this check."}
		}
		servers, err := target.servers()
		if err != nil {
			return dnsResult(target, question, nil, &DNSError{Cause: check.DNSNoResolver, Err: err})
		}
		answers := askServers(ctx, servers, question, target.Expect)
		return dnsResult(target, question, answers, overallDNS(answers))
	}
}

func (t DNSTarget) servers() ([]netip.AddrPort, error) {
	if len(t.Servers) > 0 {
		return t.Servers, nil
	}
	conf, err := readResolvConf(cmp.Or(t.resolvConf, resolvConfPath))
	if err != nil {
		return nil, err
	}
	return conf.servers, nil
}

// withDeadline is ctx with a deadline of at most limit from now where it has none.
func withDeadline(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// serverAnswer is what one server made of the question.
type serverAnswer struct {
	server  netip.AddrPort
	took    time.Duration
	reply   dnsReply // zero when nothing usable came back
	verdict dnsVerdict
	err     *DNSError // nil when the answer is good
}

// askServers asks every server; there is at least one.
func askServers(ctx context.Context, servers []netip.AddrPort, q dnsQuestion, expect []string) []serverAnswer {
	answers := make([]serverAnswer, len(servers))
	slots := make(chan struct{}, maxParallelServers)
	var group sync.WaitGroup
	for i, server := range servers[1:] {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i+1] = askServer(ctx, server, q, expect)
		})
	}
	answers[0] = askServer(ctx, servers[0], q, expect) // the usual single server costs no goroutine
	group.Wait()
	return answers
}

// askServer asks one server and judges its answer; a SERVFAIL is looked into.
func askServer(ctx context.Context, server netip.AddrPort, q dnsQuestion, expect []string) (a serverAnswer) {
	a.server = server
	began := time.Now()
	defer func() { a.took = time.Since(began) }()
	reply, err := exchange(ctx, server, q)
	if err != nil {
		a.err = transportDNSError(ctx, err)
	} else {
		a.reply, a.verdict = reply, judgeReply(q, reply.msg, expect)
		if a.verdict.cause == check.DNSServFail {
			a.verdict = explainServFail(ctx, server, q, a.verdict)
		}
		a.err = a.verdict.asError(reply)
	}
	if a.err != nil {
		a.err.Name, a.err.Type, a.err.Server = q.display(), q.typeName(), server
	}
	return a
}

// overallDNS is the error of the whole: nil when every server answers well; of the first server when all fail; else
// the most telling one, a disagreement before an absence.
func overallDNS(answers []serverAnswer) *DNSError {
	var failed []serverAnswer
	good := slices.IndexFunc(answers, func(a serverAnswer) bool { return a.err == nil })
	for _, a := range answers {
		if a.err != nil {
			failed = append(failed, a)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	if good < 0 {
		return failed[0].err
	}
	for _, a := range failed {
		if a.err.definite() {
			return disagreement(a, answers[good])
		}
	}
	return failed[0].err
}

func disagreement(bad, good serverAnswer) *DNSError {
	e := *bad.err
	if e.Cause != check.DNSMismatch {
		e.Cause = check.DNSMismatch
		e.Detail = fmt.Sprintf("the resolvers disagree: %s says %s, %s answers %s",
			bad.server, bad.err.Cause, good.server, good.verdict.summary())
	}
	return &e
}

// dnsStatus is fail, unless a stub resolver still gets its answer from another server.
func dnsStatus(err *DNSError, answers []serverAnswer) check.Status {
	switch {
	case err == nil:
		return check.OK
	case errors.Is(err.Err, context.Canceled):
		return check.Unknown
	case err.definite():
		return check.Fail
	case slices.ContainsFunc(answers, func(a serverAnswer) bool { return a.err == nil }):
		return check.Warn
	default:
		return check.Fail
	}
}

func dnsResult(t DNSTarget, q dnsQuestion, answers []serverAnswer, err *DNSError) check.Result {
	r := check.Result{Status: dnsStatus(err, answers), Evidence: dnsEvidence(q, answers)}
	for _, a := range answers {
		r.Endpoints = append(r.Endpoints, a.endpoint())
	}
	if err == nil {
		r.Detail = fmt.Sprintf("%s %s is %s%s", q.display(), q.typeName(), answers[0].verdict.summary(),
			atServers(len(answers)))
		return r
	}
	if err.Name == "" {
		err.Name, err.Type = q.display(), q.typeName()
	}
	r.Cause, r.Detail, r.Remedy = err.Cause, err.Error(), remedyDNS(err, t.Expect)
	if failing := countFailing(answers); failing > 0 && len(answers) > 1 {
		r.Detail = fmt.Sprintf("%s (%d of %d servers fail)", r.Detail, failing, len(answers))
	}
	return r
}

func (a serverAnswer) endpoint() check.Endpoint {
	e := check.Endpoint{Address: a.server.String(), Status: check.OK,
		Phases: []check.Phase{{Name: "dns", Duration: a.took}}}
	if a.err != nil {
		e.Status, e.Cause, e.Detail = check.Fail, a.err.Cause, a.err.Detail
		if errors.Is(a.err.Err, context.Canceled) {
			e.Status = check.Unknown
		}
		return e
	}
	e.Detail = a.verdict.summary()
	if a.reply.transport == "tcp" {
		e.Detail += ", by TCP because the answer by UDP was truncated"
	}
	return e
}

func countFailing(answers []serverAnswer) int {
	n := 0
	for _, a := range answers {
		if a.err != nil {
			n++
		}
	}
	return n
}

func atServers(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" at each of %d servers", n)
}

// list joins the first items of a list of total, and says how many more there are.
func list(items []string, total int) string {
	joined := strings.Join(items, ", ")
	if more := total - len(items); more > 0 {
		joined += fmt.Sprintf(" and %d more", more)
	}
	return joined
}
