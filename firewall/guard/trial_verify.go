package guard

import (
	"context"
	"fmt"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// VerifyTrial is Verify where a trial may stand in the live table, of which the record tells: false where the table is not
// exactly that trial's. A committed ruleset without anything is an open host. It only reads.
func VerifyTrial(ctx context.Context, live Kernel, committed, candidate firewall.Ruleset) (check.Result, bool) {
	both, err := firewall.Beside(committed, candidate, longestLook)
	if err != nil {
		return check.Result{}, false
	}
	golden, err := kernel.Golden(ctx, both)
	if err != nil {
		return check.Result{}, false
	}
	dump, err := live.Dump(ctx)
	if err != nil || !dump.Equal(golden) {
		return check.Result{}, false
	}
	result := check.Result{
		Status: check.Warn, Cause: check.FirewallRolledBack,
		Evidence: Evidence{Hash: fmt.Sprintf("%x", dump.Hash())},
		Detail: "a trial is over, " + Expired + ": the ruleset from before it judges; " +
			"what was tried is still in the table",
		Remedy: "Clean up with `sallyport rollback`; correct the configuration, or try it again (`sallyport apply`).",
	}
	if trial, running := dump.Trial(); running {
		result.Cause = check.FirewallTrial
		result.Detail = fmt.Sprintf("a trial is running: %.0f s left, then the ruleset from before judges again",
			trial.Left.Seconds())
		result.Remedy = trialRemedy
	}
	return result, true
}

// longestLook is the time of a trial that is only compared with: any, for it is not part of the normal form.
const longestLook = trialInterval
