package main

import (
	"context"

	"sallyport/check"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/census"
	"sallyport/firewall/proof/others"
)

// looker runs a check once and keeps its result.
type looker func(check.Check, func(context.Context) check.Result) check.Result

// others judges what is on this host besides our table. Where the firewall is off there is no policy that it could go round.
func (v verification) others(do looker) {
	if v.off {
		return
	}
	var found census.Census
	var err error
	policy := v.candidate.policy
	do(others.InterferenceCheck(), func(ctx context.Context) check.Result {
		if found, err = kernel.TakeCensus(ctx); err != nil {
			return guard.Failure(err)
		}
		return others.InterferenceResult(found, policy)
	})
	do(others.PublishedCheck(), func(context.Context) check.Result {
		if err != nil {
			return guard.Failure(err)
		}
		return others.PublishedResult(others.PublishedPorts(found), policy)
	})
	do(others.SysctlsCheck(), func(context.Context) check.Result {
		return others.Sysctls(others.ReadSysctls("/proc"), policy)
	})
}
