package resolver

import (
	"context"
	"sync"
	"time"

	"sallyport/check"
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
	Data []string // where given, the answer's data must be exactly these, in any order
}

// Answer is what one server made of the question.
type Answer struct {
	Server  string
	Took    time.Duration
	Reply   Reply // zero when nothing usable came back
	Verdict Verdict
	Err     *Error // nil when the answer is good
}

// AskAll asks every server, at the same time; there is at least one. It ends with ctx.
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

// answer asks the server and judges what it answers; a SERVFAIL is looked into.
func (x *Exchanger) answer(ctx context.Context, q Question, want Want) (a Answer) {
	a.Server = x.name
	began := time.Now()
	defer func() { a.Took = time.Since(began) }()
	reply, err := x.exchange(ctx, q)
	if err != nil {
		a.Err = transportError(ctx, err)
	} else {
		a.Reply, a.Verdict = reply, judgeReply(q, reply.Msg, want)
		if a.Verdict.Cause == check.DNSServFail {
			a.Verdict = x.explainServFail(ctx, q, a.Verdict)
		}
		a.Err = a.Verdict.asError(reply)
	}
	if a.Err != nil {
		a.Err.Name, a.Err.Type, a.Err.Server = q.String(), q.TypeName(), x.name
	}
	return a
}
