package resolver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/miekg/dns"

	"sallyport/check"
)

const (
	// maxTargets is how many targets of a service are looked at: a large Active Directory has hundreds.
	maxTargets = 32
	// maxParallelTargets is how many are asked for at the same time.
	maxParallelTargets = 8
	// maxTargetAddresses is how many addresses of one are kept, of each family.
	maxTargetAddresses = 8
)

// Instance is a target of a service, with where it leads.
type Instance struct {
	Target
	Addresses []string    `json:"addresses,omitempty"` // A and AAAA, the first few
	Cause     check.Cause `json:"cause,omitempty"`     // why it has none
}

// notOffered says that the one target is the root: the domain does not offer the service at all (RFC 2782, "Target").
func notOffered(records []dns.RR) bool {
	if len(records) != 1 {
		return false
	}
	srv, ok := records[0].(*dns.SRV)
	return ok && srv.Target == "."
}

// targetsOf are the targets of SRV records in the order of their use, the first maxTargets.
func targetsOf(records []dns.RR) []Target {
	var targets []Target
	for _, rr := range records {
		if srv, ok := rr.(*dns.SRV); ok && srv.Target != "." {
			targets = append(targets, Target{Host: shownName(dns.CanonicalName(srv.Target)), Port: srv.Port,
				Priority: srv.Priority, Weight: srv.Weight})
		}
	}
	targets = Order(targets, rand.IntN) // to share load, not to keep a secret
	return targets[:min(len(targets), maxTargets)]
}

// judgeTargets asks the server for the addresses of every target of a service. One without any is dangling: a client
// that takes it fails. Where others live, it is served at the second try.
func (x *Exchanger) judgeTargets(ctx context.Context, v Verdict) Verdict {
	targets := targetsOf(v.records)
	v.Targets = make([]Instance, len(targets))
	slots := make(chan struct{}, maxParallelTargets)
	var group sync.WaitGroup
	for i, t := range targets {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			v.Targets[i] = x.instance(ctx, t)
		})
	}
	group.Wait()
	var dead []string
	for _, t := range v.Targets {
		if len(t.Addresses) == 0 {
			dead = append(dead, fmt.Sprintf("%s (%s)", t.Host, t.Cause))
		}
	}
	if len(dead) == 0 {
		return v
	}
	v = v.failed(check.DNSDangling, "%d of %d targets have no address: %s", len(dead), len(targets), summary(dead)).
		as(DeadTargets)
	v.Minor = len(dead) < len(targets)
	return v
}

// instance asks for both families of one target.
func (x *Exchanger) instance(ctx context.Context, t Target) Instance {
	found := Instance{Target: t}
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		q := Question{Name: dns.CanonicalName(t.Host), Type: kind}
		reply, err := x.exchange(ctx, q)
		if err != nil {
			found.Cause = transportError(ctx, err).Cause
			continue
		}
		v := judgeReply(q, reply.Msg, Want{Data: nil})
		found.Addresses = append(found.Addresses, v.Data[:min(len(v.Data), maxTargetAddresses)]...)
		if v.Cause != "" && found.Cause == "" {
			found.Cause = v.Cause
		}
	}
	if len(found.Addresses) > 0 {
		found.Cause = ""
	}
	return found
}
