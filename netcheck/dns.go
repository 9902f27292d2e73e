package netcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/netcheck/dnssec"
	"sallyport/netcheck/resolver"
)

// defaultDNSTimeout bounds a run whose context brings no deadline.
const defaultDNSTimeout = 5 * time.Second

// DNSTarget is a name that must resolve at each of the servers.
type DNSTarget struct {
	Query         string            // fully qualified, unless Search is set; for PTR an address will do
	Type          string            // a record type by its name: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, ...
	Servers       []resolver.Server // asked one by one; empty: those of /etc/resolv.conf, read anew at each run
	Expect        []string          // where given, the answer's data must be exactly these, in any order
	Search        bool              // the search list of /etc/resolv.conf is tried, as by every program of the host
	Authenticated bool              // each server must say that it validated its answer

	// Validator validates the answers of each server by ourselves; nil: the servers' word is shown, nothing more. It keeps
	// what it has proved, so it should live as long as the check.
	Validator *dnssec.Validator

	Blocked Blocked // asked who on this host ends the packets to a server that cannot be reached; nil: nobody

	blocks               *blocks // of what is known of that; nil: nobody is asked
	resolvConf, resolved string  // instead of /etc/resolv.conf and systemd-resolved's, for tests
}

// DNS is the check of a DNSTarget. Each server is asked separately, by its transport, and is an endpoint of the result.
//
// The verdict follows what a stub resolver would live through (resolver(5)): it takes the first definite answer, and
// passes by a server that gives none.
//   - All servers fail: fail, with the cause of the first one.
//   - One gives another definite answer than the others (it denies the name, or its data is not the expected): fail,
//     with dns.mismatch, because it is chance which one the host hears.
//   - One gives no answer (silent, unreachable, refusing, SERVFAIL, garbage) and another does: warn, with its cause.
//   - Different addresses are no disagreement: round robin and geographic answers are usual. Who wants them fixed
//     writes Expect.
//   - A service of which some targets have no address: warn, with dns.dangling, for a client takes the next one.
//   - With a Validator, an answer that its zone did not sign so is dns.bogus, a fail where a server hands it out; one
//     whose zone is not signed, or whose signatures the server leaves out, is dns.mismatch. It judges the answer, not the
//     addresses of a service's targets.
func DNS(target DNSTarget) func(context.Context) check.Result {
	question, err := resolver.NewQuestion(target.Query, target.Type)
	if err != nil {
		return func(context.Context) check.Result {
			return check.Result{Status: check.Unknown, Cause: check.Internal, Detail: err.Error(),
				Remedy: "Correct query and type of this check."}
		}
	}
	question.Signatures = target.Validator != nil
	configured := resolver.Exchangers(target.Servers)
	target.blocks = newBlocks(target.Blocked)
	return func(ctx context.Context) check.Result {
		ctx, cancel := withDeadline(ctx, defaultDNSTimeout)
		defer cancel()
		asked := dnsAsked{servers: configured, names: []resolver.Question{question}, question: question}
		if err := target.prepare(&asked); err != nil {
			return dnsResult(target, asked, &resolver.Error{Cause: check.DNSNoResolver, Err: err})
		}
		target.ask(ctx, &asked)
		return dnsResult(target, asked, overallDNS(asked.answers))
	}
}

// dnsAsked is one run: who is asked for what, and what came back.
type dnsAsked struct {
	servers  []*resolver.Exchanger
	names    []resolver.Question // tried one after another
	question resolver.Question   // the one to which the answers belong
	answers  []resolver.Answer   // one for each server
	chains   []*DNSSECEvidence   // nil, or one for each server
	stubs    []*stubView         // nil, or one for each server
	blockers []*Blocker          // nil, or one for each server; nil where nobody here is known to block it
}

// prepare takes from resolv.conf what the target leaves to it.
func (t DNSTarget) prepare(asked *dnsAsked) error {
	if len(asked.servers) > 0 && !t.Search {
		return nil
	}
	conf, err := resolver.ReadConf(cmp.Or(t.resolvConf, resolver.ConfPath))
	if err != nil {
		return err
	}
	if len(asked.servers) == 0 {
		asked.servers = conf.Exchangers()
	}
	if t.Search {
		asked.names = conf.Questions(asked.question, t.Query)
	}
	return nil
}

func (t DNSTarget) ask(ctx context.Context, asked *dnsAsked) {
	first, cancel := ctx, context.CancelFunc(func() {})
	if slices.ContainsFunc(asked.servers, (*resolver.Exchanger).IsStub) {
		first, cancel = context.WithTimeout(ctx, share(ctx, 3, 5)) // the rest is for those behind it
	}
	asked.question, asked.answers = resolver.AskNames(first, asked.servers, asked.names, t.want())
	cancel()
	for i := range asked.answers {
		judgeSecured(asked.answers[i].Err)
	}
	t.blockedBy(ctx, asked)
	asked.chains = t.validated(ctx, *asked)
	asked.stubs = t.lookBehind(ctx, asked.question, *asked)
}

func (t DNSTarget) want() resolver.Want {
	return resolver.Want{Data: t.Expect, Authenticated: t.Authenticated, Own: t.ownDomains}
}

// ownDomains are those of the host's search list: what it calls its own.
func (t DNSTarget) ownDomains() []string {
	conf, err := resolver.ReadConf(cmp.Or(t.resolvConf, resolver.ConfPath))
	if err != nil {
		return nil
	}
	return conf.Search
}

// withDeadline is ctx with a deadline of at most limit from now where it has none.
func withDeadline(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// overallDNS is the error of the whole: nil when every server answers well; of the first server when all fail; else
// the most telling one, a disagreement before an absence.
func overallDNS(answers []resolver.Answer) *resolver.Error {
	var failed []resolver.Answer
	good := slices.IndexFunc(answers, func(a resolver.Answer) bool { return a.Err == nil })
	for _, a := range answers {
		if a.Err != nil {
			failed = append(failed, a)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	hard := slices.IndexFunc(failed, func(a resolver.Answer) bool { return !a.Err.Minor })
	if hard < 0 {
		return failed[0].Err
	}
	failed = failed[hard:]
	if good < 0 {
		return failed[0].Err
	}
	for _, a := range failed {
		if definite(a.Err) {
			return disagreement(a, answers[good])
		}
	}
	return failed[0].Err
}

func disagreement(bad, good resolver.Answer) *resolver.Error {
	e := *bad.Err
	if e.Cause != check.DNSMismatch && e.Cause != check.DNSBogus {
		e.Cause = check.DNSMismatch
		e.Detail = fmt.Sprintf("the resolvers disagree: %s says %s, %s answers %s",
			bad.Server, bad.Err.Cause, good.Server, good.Verdict.Summary())
	}
	return &e
}

// dnsStatus is fail, unless a stub resolver still gets its answer from another server.
func dnsStatus(err *resolver.Error, answers []resolver.Answer) check.Status {
	switch {
	case err == nil:
		return check.OK
	case errors.Is(err.Err, context.Canceled):
		return check.Unknown
	case err.Minor:
		return check.Warn
	case definite(err):
		return check.Fail
	case slices.ContainsFunc(answers, func(a resolver.Answer) bool { return a.Err == nil }):
		return check.Warn
	default:
		return check.Fail
	}
}

func dnsResult(t DNSTarget, asked dnsAsked, err *resolver.Error) check.Result {
	r := check.Result{Status: dnsStatus(err, asked.answers), Evidence: dnsEvidence(t, asked)}
	for _, a := range asked.answers {
		r.Endpoints = append(r.Endpoints, dnsEndpoint(a))
	}
	q := asked.question
	if err == nil {
		r.Detail = fmt.Sprintf("%s %s is %s%s%s", q, q.TypeName(), asked.answers[0].Verdict.Summary(),
			atServers(len(asked.answers)), searched(asked))
		return r
	}
	if err.Name == "" {
		err.Name, err.Type = q.String(), q.TypeName()
	}
	r.Cause, r.Detail, r.Remedy = err.Cause, err.Error(), remedyDNS(err, t.Expect)
	if failing := countFailing(asked.answers); failing > 0 && len(asked.answers) > 1 {
		r.Detail = fmt.Sprintf("%s (%d of %d servers fail)", r.Detail, failing, len(asked.answers))
	}
	r.Detail += searched(asked)
	return r
}

// searched says which names of the search list were tried.
func searched(asked dnsAsked) string {
	if len(asked.names) < 2 {
		return ""
	}
	return fmt.Sprintf(" (the search list has %s)", strings.Join(shownNames(asked.names), ", "))
}

func shownNames(questions []resolver.Question) []string {
	names := make([]string, 0, len(questions))
	for _, q := range questions {
		names = append(names, q.String())
	}
	return names
}

func dnsEndpoint(a resolver.Answer) check.Endpoint {
	e := check.Endpoint{Address: a.Server, Status: check.OK, Phases: []check.Phase{{Name: "dns", Duration: a.Took}}}
	if a.Err != nil {
		e.Status, e.Cause, e.Detail = check.Fail, a.Err.Cause, a.Err.Detail
		if a.Err.Minor {
			e.Status = check.Warn
		}
		if errors.Is(a.Err.Err, context.Canceled) {
			e.Status = check.Unknown
		}
		return e
	}
	e.Detail = a.Verdict.Summary()
	if a.Reply.Truncated {
		e.Detail += ", by TCP because the answer by UDP was truncated"
	}
	return e
}

func countFailing(answers []resolver.Answer) int {
	n := 0
	for _, a := range answers {
		if a.Err != nil {
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
