package main

import (
	"context"
	"log/slog"
	"os"

	"sallyport/check"
	"sallyport/config"
)

// checkSallyport is the check of whether Sallyport is where it is to be.
const checkSallyport = "sallyport"

const notHere = "this is another network namespace than PID 1's: the host itself is not guarded; " +
	"give --here if this one is meant"

// elsewhere says whether this process is in another network namespace than PID 1, and was not told that it is meant to
// be. A unit with PrivateNetwork= would else report success in an empty namespace while the host is open. Where it cannot
// be told, for PID 1's is shown to root alone, it is taken for here.
func (o *options) elsewhere(log *slog.Logger) bool {
	if o.here {
		return false
	}
	ours, err := os.Readlink("/proc/self/ns/net")
	if err == nil {
		var first string
		if first, err = os.Readlink("/proc/1/ns/net"); err == nil {
			return ours != first
		}
	}
	log.Info("whether this is the host's network namespace cannot be told", "err", err)
	return false
}

// elsewhereCheck is the check that fails as long as this process runs.
func elsewhereCheck(conf *config.Config) check.Check {
	return check.Check{
		Name: checkSallyport, Kind: check.KindSallyport, Target: conf.File, Interval: healthInterval,
		Timeout: healthTimeout, FailAfter: 1, RecoverAfter: 1,
		Run: func(context.Context) check.Result {
			return check.Result{
				Status: check.Fail, Cause: check.FirewallMissing, Detail: notHere,
				Remedy: "Take PrivateNetwork= and the like off its unit; where this namespace is meant, " +
					"start it with `run --here`.",
			}
		},
	}
}
