package guard

import (
	"sync"
	"time"
)

const (
	// allowanceShare is the part of its own time that the guard may spend on looks that changes call for: a tenth.
	allowanceShare = 10
	// allowanceSaved is what it may have saved up: some fifty repairs of a ruleset with a hundred sources come at once, one
	// after another. Who goes on changing it, or changes other tables as fast, gets a tenth of the guard's time.
	allowanceSaved = 500 * time.Millisecond
	// maxRest bounds the rest before a change is looked at, however much was spent.
	maxRest = time.Second
)

// allowance is the time that may be spent on looks, so that a fight over the table, or a table of others that changes all
// the time, does not burn the machine.
type allowance struct {
	mu    sync.Mutex
	saved time.Duration // below 0 where more was spent than there was
	at    time.Time     // when saved was right
}

func newAllowance(now time.Time) *allowance { return &allowance{saved: allowanceSaved, at: now} }

// earn brings the allowance up to date.
func (a *allowance) earn(now time.Time) {
	a.saved = min(a.saved+now.Sub(a.at)/allowanceShare, allowanceSaved)
	a.at = now
}

// spend takes the time of a look from it.
func (a *allowance) spend(took time.Duration, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.earn(now)
	a.saved = max(a.saved-took, -maxRest/allowanceShare)
}

// rest is how long to wait until a change may be looked at: 0 while something is saved.
func (a *allowance) rest(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.earn(now)
	return max(0, -a.saved*allowanceShare)
}
