package kernel

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// Trial is what a dump shows of a trial that runs.
type Trial struct {
	Left  time.Duration // until the last family goes back to the committed ruleset; the longest there is where none does
	Whole bool          // both families are judged by the candidate
}

// Trial is the trial that ran when the table was read, by the elements of the set firewall.TrialSet; false where none ran.
// The kernel leaves out of a dump what has expired. The time left is not part of the normal form: it changes by itself.
func (d Dump) Trial() (Trial, bool) {
	var t Trial
	families := 0
	for _, s := range d.table.sets {
		if s.name != firewall.TrialSet {
			continue
		}
		for i := range s.elements {
			e := &s.elements[i]
			left := time.Duration(math.MaxInt64)
			if e.expires() {
				left = milliseconds(e.attrs.NumberOr0(unix.NFTA_SET_ELEM_EXPIRATION))
			}
			t.Left = max(t.Left, left)
			if family := firewall.Number(numberOf(e.key)); family == firewall.NFProtoIPv4 || family == firewall.NFProtoIPv6 {
				families++
			}
		}
	}
	t.Whole = families == 2
	return t, t.Left > 0
}

// numberOf is a key of one byte; 0 for any other.
func numberOf(key []byte) uint8 {
	if len(key) != 1 {
		return 0
	}
	return key[0]
}
