package main

import (
	"context"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/proof/others"
)

// holds notes the policy that the guard keeps in force, of whose turn it is.
func (p *guardProcess) holds(policy *firewall.Policy) {
	p.inForce = policy
	p.policy.Store(policy)
}

// lookAtOthers judges the rules of others by the policy that the guard keeps or watches.
func (p *guardProcess) lookAtOthers(ctx context.Context) check.Result {
	policy := p.policy.Load()
	if policy == nil {
		return check.Result{Status: check.Skipped, Detail: "there is no policy yet to judge others' rules by"}
	}
	return others.Look(ctx, *policy)
}
