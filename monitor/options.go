package monitor

import (
	"log/slog"
	"math/rand/v2"
	"time"
)

// Options are the settings of a Monitor; the zero value means the defaults.
type Options struct {
	// Workers is how many runs go on at once; 16 if zero. Unbounded, an overloaded host gets no run done in time.
	Workers int

	// Coalesce is how much sooner than due a run may begin in order to share a wake-up with another; 20 ms if zero, none
	// if negative, and never more than a twentieth of the shortest interval. Wake-ups are what many timers cost.
	Coalesce time.Duration

	// Jitter is by which share of its interval a run may come late, anew each time; 0.05 if zero. Negative means none:
	// then the first runs are not spread either.
	Jitter float64

	// Seed makes the jitter repeatable; a random one if zero.
	Seed uint64

	// Stale is for how many intervals a check without a Run of its own may stay without word; 3 if zero.
	Stale int

	// Grace is how long a run may take to return after its context has ended, be it by its deadline or because the
	// monitor stops; 400 ms if zero. Sinks get as long to take what is queued when the monitor stops.
	Grace time.Duration

	// Queue is how many results may wait for one sink before further ones are dropped; 1024 if zero.
	Queue int

	// Logger is told of what an operator must know of the monitor itself; nobody is if nil.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Workers = max(1, orDefault(o.Workers, 16))
	o.Coalesce = orDefault(o.Coalesce, 20*time.Millisecond)
	o.Jitter = orDefault(o.Jitter, 0.05)
	o.Stale = max(1, orDefault(o.Stale, 3))
	o.Grace = orDefault(o.Grace, 400*time.Millisecond)
	o.Queue = orDefault(o.Queue, 1024)
	if o.Seed == 0 {
		o.Seed = rand.Uint64() //nolint:gosec // jitter is no secret
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// orDefault is the value, or the default for zero. A negative one is zero: a setting that is switched off.
func orDefault[T int | float64 | time.Duration](value, byDefault T) T {
	if value == 0 {
		return byDefault
	}
	return max(0, value)
}
