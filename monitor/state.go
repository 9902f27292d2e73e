package monitor

import (
	"time"

	"sallyport/check"
)

// State is what is believed of one check after thresholds. The zero value believes nothing: its status is unknown.
type State struct {
	Check  string
	Kind   string
	Target string

	Status check.Status
	Cause  check.Cause  // of the status that is believed; the latest result may have another
	Since  time.Time    // when Status began to be believed; zero as long as nothing is
	Shown  check.Result // the latest result that says Status and Cause; zero as long as nothing is believed
	Last   check.Result // the latest result, skipped ones too; before the first its Time is zero and its Detail says so

	Bad   int // bad results in a row (see check.Result.Bad); skipped ones neither count nor interrupt
	Good  int // results in a row that are not bad
	Alike int // results in a row with the status and cause of the latest that was not skipped

	seen verdict // what Alike counts
}

// verdict is what makes two results say the same.
type verdict struct {
	status check.Status
	cause  check.Cause
}

// Agrees says whether the latest result says what is believed.
func (s State) Agrees() bool {
	return s.Settled() && s.Last.Status == s.Status && s.Last.Cause == s.Cause
}

// Settled says whether anything is believed yet: false until the thresholds were met for the first time.
func (s State) Settled() bool { return !s.Since.IsZero() }

// Consecutive is how many results in a row were as good or as bad as the latest.
func (s State) Consecutive() int { return max(s.Bad, s.Good) }

// failing says whether the check is believed to fail, or to be in a state that cannot be told.
func (s State) failing() bool {
	return s.Settled() && (s.Status == check.Fail || s.Status == check.Unknown)
}

// doubtful says that a bad result was seen, and that more are needed before it is believed.
func (s State) doubtful() bool { return s.Bad > 0 && !s.failing() }

// blocks says whether what depends on the check is pointless to run: the check is believed to fail, or its latest
// result was bad though that is not believed yet. A check that was never run blocks nothing.
func (s State) blocks() bool {
	return s.failing() || !s.Last.Time.IsZero() && s.Last.Bad()
}
