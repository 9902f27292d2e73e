package main

import (
	"context"

	"sallyport/check"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
	"sallyport/firewall/proof"
)

// The names of a verification's results begin with that of the guard's check and a dot, so that no check of a configuration
// can have them, and a waiver can name them.
const (
	listenersName = guard.Name + ".listeners"
	twinName      = guard.Name + ".twin"
)

func structureCheck() check.Check { return guard.Check() }

func listenersCheck() check.Check {
	return check.Check{Name: listenersName, Kind: check.KindFirewall, Target: "sockets of this host"}
}

func twinCheck() check.Check {
	return check.Check{Name: twinName, Kind: check.KindFirewall, Target: "a copy of all tables"}
}

// structure compares the live table with the ruleset that the configuration compiles to.
func (v verification) structure(ctx context.Context) check.Result {
	if v.off {
		return check.Result{
			Status: check.Skipped,
			Detail: "the configuration has no firewall section, or its mode is off: there is no ruleset",
		}
	}
	live, err := kernel.Open()
	if err != nil {
		return guard.Failure(err)
	}
	defer func() { _ = live.Close() }()
	golden, err := kernel.Golden(ctx, v.candidate.ruleset)
	if err != nil {
		return guard.Failure(err)
	}
	return guard.Verify(ctx, live, v.candidate.ruleset, golden)
}

// listeners judges what listens by the policy, and by what was seen of the ruleset.
func (v verification) listeners(found kernel.Listening, err error, structure check.Result) check.Result {
	if err != nil {
		return guard.Failure(err)
	}
	return proof.Listeners(found, v.policy(), v.standing(structure))
}

// standing is what the look at the live table says of it.
func (v verification) standing(structure check.Result) proof.Standing {
	switch {
	case v.off, structure.Cause == check.FirewallMissing, structure.Cause == check.FirewallDormant:
		return proof.StandingOpen
	case structure.Status == check.OK:
		return proof.StandingInForce
	case structure.Cause == check.FirewallDrift:
		return proof.StandingDrifted
	default:
		return proof.StandingUnknown
	}
}

// tryTwin sends packets through a copy of all tables.
func (v verification) tryTwin(ctx context.Context, found kernel.Listening) check.Result {
	if v.off {
		return check.Result{Status: check.Skipped, Detail: "there is no policy to compare what becomes of packets with"}
	}
	told, err := proof.TryTwin(ctx, v.candidate.policy, found.Sockets)
	return proof.JudgeTwin(told, err, found.Sockets)
}
