package guard

import (
	"fmt"
	"time"

	"sallyport/check"
)

// blame is what is known of how the table came to be wrong.
type blame struct {
	since   time.Time // when a change was told of, or where that says nothing, when it was last seen to be right; or zero
	told    bool      // since is the time of a change
	author  *Author   // of the latest change, nil where it is not known
	several bool      // there were changes before that one, which may have been it
}

// accuse adds the changes that led to what a look saw. What was known stays known until the table is right again. A guard
// that was held up for longer than it rests between looks (SIGSTOP, a machine that was suspended) read late of changes,
// which carry no time of their own: they may have been made at any moment since the table was last seen to be right.
func (b *blame) accuse(led []noticed, right time.Time, heldUp bool) {
	if b.since.IsZero() {
		b.since = right
		if len(led) > 0 && (!heldUp || right.IsZero()) {
			b.since, b.told = led[0].at, true
		}
	}
	if len(led) == 0 {
		return
	}
	b.several = b.several || b.author != nil || len(led) > 1
	b.author = &led[len(led)-1].author
}

// on is a finding with the blame for it.
func (b *blame) on(found check.Result, exposed time.Duration) check.Result {
	evidence, _ := found.Evidence.(Evidence) // the zero one where there is none
	evidence.By, evidence.Exposed = b.author, float64(exposed.Microseconds())/1000
	evidence.AtMost = exposed > 0 && !b.told
	found.Evidence = evidence
	if b.author == nil {
		return found
	}
	found.Detail += "; changed by " + b.author.String()
	if b.several {
		found.Detail += ", or by somebody just before"
	}
	return found
}

// exposed is how long the table has been wrong, at most; 0 where that is not known.
func (b *blame) exposed(now time.Time) time.Duration {
	if b.since.IsZero() {
		return 0
	}
	return now.Sub(b.since)
}

// after says in words how long the table was wrong; empty where that is not known.
func (b *blame) after(exposed time.Duration) string {
	switch {
	case b.since.IsZero():
		return ""
	case b.told:
		return fmt.Sprintf(" after %s", exposed.Round(100*time.Microsecond))
	default:
		return fmt.Sprintf(" after at most %s", exposed.Round(100*time.Microsecond))
	}
}
