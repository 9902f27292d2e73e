package check

import "time"

// Transition is a change of what the daemon believes of a check, after thresholds.
type Transition struct {
	Check  string
	From   Status
	To     Status
	Since  time.Time // when From began
	Result Result    // the result that tipped it
}
