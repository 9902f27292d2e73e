package monitor

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// confirmation is the space between the runs that confirm a first bad result: a tenth of the interval, then twice as
// long each time, never longer than the interval, each with a jitter of a fifth. It only ever adds runs; the check's own
// interval goes on beside it.
type confirmation struct {
	interval time.Duration
	policy   *backoff.ExponentialBackOff // one for each check: not safe for concurrent use
}

func newConfirmation(interval time.Duration) *confirmation {
	return &confirmation{interval: interval, policy: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(max(interval/10, time.Millisecond)),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0.2),
		backoff.WithMaxInterval(interval),
		backoff.WithMaxElapsedTime(0), // not the default of 15 minutes, after which NextBackOff is Stop, -1: a hot loop
	)}
}

// next is how long to wait for the next confirmation. The policy's own maximum is exceeded by its jitter.
func (c *confirmation) next() time.Duration {
	wait := c.policy.NextBackOff()
	if wait == backoff.Stop {
		return c.interval
	}
	return min(wait, c.interval)
}

// reset starts anew with the shortest wait.
func (c *confirmation) reset() { c.policy.Reset() }
