package main

import (
	"context"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/sockets"
	"sallyport/firewall/proof"
)

// The names of a verification's results begin with that of the guard's check and a dot, so that no check of a configuration
// can have them, and a waiver can name them.
const (
	listenersName = guard.Name + ".listeners"
	liveName      = guard.Name + ".live"
	twinName      = guard.Name + ".twin"
)

func structureCheck() check.Check { return guard.Check() }

func listenersCheck() check.Check {
	return check.Check{Name: listenersName, Kind: check.KindFirewall, Target: "sockets of this host"}
}

func liveCheck() check.Check {
	return check.Check{Name: liveName, Kind: check.KindFirewall, Target: "packets of a stranger"}
}

func twinCheck() check.Check {
	return check.Check{Name: twinName, Kind: check.KindFirewall, Target: "a copy of all tables"}
}

// structure compares the live table with the ruleset that the configuration compiles to.
func (v verification) structure(ctx context.Context) check.Result {
	if v.off {
		return offStructure(ctx)
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
	result := guard.Verify(ctx, live, v.candidate.ruleset, golden)
	if result.Cause != check.FirewallDrift {
		return result
	}
	if onTrial, ok := v.onTrial(ctx, live); ok {
		return onTrial
	}
	return result
}

// offStructure is for a configuration that wants no ruleset: a table that is left from before judges packets all the same.
func offStructure(ctx context.Context) check.Result {
	if _, err := liveRuleset(ctx); err == nil {
		return check.Result{
			Status: check.Warn, Cause: check.FirewallDrift,
			Detail: "the configuration's firewall is off, and the table inet " + firewall.Table +
				" judges packets all the same",
			Remedy: "Take it off the kernel with `sallyport remove`, or set firewall.mode to enforce.",
		}
	}
	return check.Result{
		Status: check.Skipped,
		Detail: "the configuration has no firewall section, or its mode is off: there is no ruleset",
	}
}

// judging is the hash of the policy that judges packets, of a table that is that of a trial: the candidate's while it
// runs, afterwards that from before. It is empty where that is none.
func (v verification) judging(structure check.Cause) string {
	record, err := guard.Store{Dir: v.conf.Paths.State}.Peek()
	switch {
	case err != nil || record.Trial == nil:
		return ""
	case structure == check.FirewallTrial:
		return record.Trial.Hash
	case record.Committed != nil && !record.Trial.Open:
		return record.Committed.Hash
	default:
		return ""
	}
}

// onTrial is what there is to say where the live table is exactly that of the trial that the record tells of.
func (v verification) onTrial(ctx context.Context, live *kernel.Conn) (check.Result, bool) {
	record, err := guard.Store{Dir: v.conf.Paths.State}.Peek()
	if err != nil || record.Trial == nil {
		return check.Result{}, false
	}
	committed, candidate, err := bothOf(record)
	if err != nil {
		return check.Result{}, false
	}
	if committed == nil {
		committed = &firewall.Ruleset{}
	}
	return guard.VerifyTrial(ctx, live, *committed, candidate)
}

// listeners judges what listens by the policy, and by what was seen of the ruleset.
func (v verification) listeners(found sockets.Listening, err error, structure check.Result) check.Result {
	if err != nil {
		return guard.Failure(err)
	}
	return proof.Listeners(found, v.policy(), v.standing(structure))
}

// standing is what the look at the live table says of it.
func (v verification) standing(structure check.Result) proof.Standing {
	switch {
	case structure.Status == check.Skipped, structure.Cause == check.FirewallMissing,
		structure.Cause == check.FirewallDormant:
		return proof.StandingOpen
	case structure.Status == check.OK:
		return proof.StandingInForce
	case structure.Cause == check.FirewallDrift:
		return proof.StandingDrifted
	case structure.Cause == check.FirewallTrial, structure.Cause == check.FirewallRolledBack:
		switch v.judging(structure.Cause) {
		case "":
			return proof.StandingOpen
		case v.candidate.ruleset.PolicyHash():
			return proof.StandingInForce
		default:
			return proof.StandingDrifted
		}
	default:
		return proof.StandingUnknown
	}
}

// tryTwin sends packets through a copy of all tables.
func (v verification) tryTwin(ctx context.Context, found sockets.Listening, err error) check.Result {
	if v.off {
		return check.Result{Status: check.Skipped, Detail: "there is no policy to compare what becomes of packets with"}
	}
	if err != nil {
		return guard.Failure(err)
	}
	told, err := proof.TryTwin(ctx, v.candidate.policy, found.Sockets)
	return proof.JudgeTwin(told, err, found.Sockets)
}

// tryLive sends packets of a stranger to the host as it is.
func (v verification) tryLive(ctx context.Context, found sockets.Listening, err error) check.Result {
	if err != nil {
		return guard.Failure(err)
	}
	policy := firewall.Policy{} // of a host whose firewall is off nobody is meant to be let in
	if !v.off {
		policy = v.candidate.policy
	}
	return proof.TryLive(ctx, policy, found.Sockets)
}
