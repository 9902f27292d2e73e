package proof

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"strings"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// rehearsalLimit is how long the packets of a rehearsal may take. Those that are left then are omitted.
const rehearsalLimit = 5 * time.Second

// Rehearsal is what was tried with packets. The zero Rehearsal is none.
type Rehearsal struct {
	In, Out int           // packets that were to get in, and that were not
	Replies int           // answers to what the host began, path MTU and neighbour discovery with them
	Omitted int           // packets that a policy so large would have wanted besides
	Untried []string      // what could not be tried here, each with the reason
	Took    time.Duration // all of it, the namespace included
}

// String says it in one line, for a person.
func (r Rehearsal) String() string {
	if r.In+r.Out+r.Replies == 0 {
		return "no packets were tried"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d packets: %d let in, %d kept out, %d replies and messages of the network, as the policy says; %d ms",
		r.In+r.Out+r.Replies, r.In, r.Out, r.Replies, r.Took.Milliseconds())
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "; %d further ones were left out", r.Omitted)
	}
	for _, untried := range r.Untried {
		fmt.Fprintf(&b, "; not tried: %s", untried)
	}
	return b.String()
}

// Rehearse puts exactly this ruleset in force in a network namespace that is made for it and thrown away, and sends packets
// through it: for every exception of the policy at the edges of its sources and ports, and from strangers; answers to what
// the host begins, neighbour discovery, path MTU, spoofed sources, and what would be passed on. What is to get in is told
// by the policy (firewall.Policy.AdmitsBy), never by the ruleset, so that a ruleset that was compiled wrong is found out.
//
// A ruleset that does otherwise is a *RefusedError: it must not reach the host. ErrNoPackets says that nothing could be
// tried here; then only the golden dump speaks for the ruleset. Other errors are those of kernel.Conn.Apply.
func Rehearse(ctx context.Context, p firewall.Policy, r firewall.Ruleset) (Rehearsal, error) {
	begin := time.Now()
	script := planFor(p)
	var told outcome
	err := kernel.InNamespace(ctx, func(ctx context.Context) (err error) {
		told, err = perform(ctx, script, r)
		return err
	})
	if errors.Is(err, kernel.ErrNoNamespace) {
		told, err = performInChild(ctx, script, r)
	}
	switch {
	case errors.Is(err, kernel.ErrNoNamespace):
		return Rehearsal{}, fmt.Errorf("rehearsal: %w: %w", ErrNoPackets, err)
	case err != nil:
		return Rehearsal{}, fmt.Errorf("rehearsal: %w", err)
	}
	told.Rehearsal.Took = time.Since(begin)
	if len(told.Wrong) > 0 {
		return told.Rehearsal, &RefusedError{Wrong: told.Wrong}
	}
	return told.Rehearsal, nil
}

// outcome is what came of a plan.
type outcome struct {
	Rehearsal Rehearsal
	Wrong     []Wrong
	NoPackets string // why, where nothing could be tried; only from a child
}

// RehearsalErrand is what Rehearse sends a child on where the process may not make a namespace itself. It is to be given to
// kernel.RehearseMain.
func RehearsalErrand() kernel.Errand {
	return kernel.Errand{Name: "packets", Do: func(ctx context.Context, r firewall.Ruleset, order []byte) ([]byte, error) {
		var script plan
		if err := gob.NewDecoder(bytes.NewReader(order)).Decode(&script); err != nil {
			return nil, fmt.Errorf("read the plan: %w", err)
		}
		told, err := perform(ctx, script, r)
		if errors.Is(err, ErrNoPackets) { // the type would be lost on the way
			told, err = outcome{NoPackets: err.Error()}, nil
		}
		if err != nil {
			return nil, err
		}
		var answer bytes.Buffer
		err = gob.NewEncoder(&answer).Encode(told)
		return answer.Bytes(), err
	}}
}

func performInChild(ctx context.Context, script plan, r firewall.Ruleset) (outcome, error) {
	var order bytes.Buffer
	if err := gob.NewEncoder(&order).Encode(script); err != nil {
		return outcome{}, fmt.Errorf("write the plan: %w", err)
	}
	answer, err := kernel.InChild(ctx, RehearsalErrand().Name, r, order.Bytes())
	if err != nil {
		return outcome{}, err
	}
	var told outcome
	if err := gob.NewDecoder(bytes.NewReader(answer)).Decode(&told); err != nil {
		return outcome{}, fmt.Errorf("%w: the answer of a child: %w", ErrNoPackets, err)
	}
	if told.NoPackets != "" {
		return outcome{}, fmt.Errorf("%w, in a child: %s",
			ErrNoPackets, strings.TrimPrefix(told.NoPackets, ErrNoPackets.Error()+": "))
	}
	return told, nil
}
