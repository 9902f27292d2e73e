package monitor

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Retry is how long to wait before each next attempt at something that is away, or keeps ending: first, then half as
// long again each time, with a jitter of a fifth, never longer than longest, without an end. It is for one goroutine.
type Retry struct {
	longest time.Duration
	policy  *backoff.ExponentialBackOff
}

// NewRetry makes a Retry; first and longest must be positive.
func NewRetry(first, longest time.Duration) *Retry {
	return &Retry{longest: longest, policy: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first),
		backoff.WithMultiplier(1.5),
		backoff.WithRandomizationFactor(0.2),
		backoff.WithMaxInterval(longest),
		backoff.WithMaxElapsedTime(0), // see newConfirmation
	)}
}

// Next is the next wait.
func (r *Retry) Next() time.Duration {
	wait := r.policy.NextBackOff()
	if wait == backoff.Stop {
		return r.longest
	}
	return min(wait, r.longest)
}

// Reset starts anew with the first wait: the attempt worked.
func (r *Retry) Reset() { r.policy.Reset() }
