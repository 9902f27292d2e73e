package resolver

import (
	"context"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	// defaultTimeout bounds what is done for a context that brings no deadline.
	defaultTimeout = 5 * time.Second
	// maxParallelServers is how many servers are asked at the same time.
	maxParallelServers = 16
)

// withDeadline is ctx with a deadline where it has none.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, defaultTimeout)
}

// Want is what an answer must be to be good.
type Want struct {
	Data          []string        // where given, the answer's data must be exactly these, in any order
	Authenticated bool            // the server must say that it validated the answer (AD, RFC 4035 section 3.2.3)
	Own           func() []string // the domains that the host holds for its own: private addresses below them are usual
}

// Answer is what one server made of the question.
type Answer struct {
	Server  string
	Took    time.Duration
	Reply   Reply // the first one; zero when nothing usable came back
	Verdict Verdict
	Err     *Error // nil when the answer is good
}

// AskAll asks every server, at the same time, follows aliases to their end and services to the addresses of their targets;
// there is at least one. It ends with ctx.
func AskAll(ctx context.Context, servers []*Exchanger, q Question, want Want) []Answer {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	answers := make([]Answer, len(servers))
	slots := make(chan struct{}, maxParallelServers)
	var group sync.WaitGroup
	for i, server := range servers[1:] {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			answers[i+1] = server.answer(ctx, q, want)
		})
	}
	answers[0] = servers[0].answer(ctx, q, want) // the usual single server costs no goroutine
	group.Wait()
	return answers
}

// answer looks up, and where that is a service, looks up its targets.
func (x *Exchanger) answer(ctx context.Context, q Question, want Want) Answer {
	began := time.Now()
	a := x.lookup(ctx, q, want)
	if a.Err == nil && q.Type == dns.TypeSRV {
		a.Verdict = x.judgeTargets(ctx, a.Verdict)
		a.Err = x.blamed(q, a.Verdict.asError(a.Reply.Msg, a.Reply.Msg))
	}
	a.Took = time.Since(began)
	return a
}

// lookup asks the server and judges what it answers.
func (x *Exchanger) lookup(ctx context.Context, q Question, want Want) Answer {
	a := Answer{Server: x.name}
	reply, err := x.exchange(ctx, q)
	if err != nil {
		a.Err = x.blamed(q, transportError(ctx, err))
		return a
	}
	a.Reply = reply
	a.Verdict, a.Err = x.follow(ctx, q, reply, want)
	a.Err = x.blamed(q, a.Err)
	return a
}

// blamed is the error with the question and the server to it; nil stays nil.
func (x *Exchanger) blamed(q Question, e *Error) *Error {
	if e != nil {
		e.Name, e.Type, e.Server = q.String(), q.TypeName(), x.name
	}
	return e
}
