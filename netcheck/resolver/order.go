package resolver

import (
	"cmp"
	"slices"
)

// Target is a server that a domain names for a service, by an SRV record.
type Target struct {
	Host     string `json:"host"` // escaped, without the final dot
	Port     uint16 `json:"port"`
	Priority uint16 `json:"priority"` // the lowest is tried first
	Weight   uint16 `json:"weight"`   // its share among those of one priority
}

// Order is the targets in the order in which a client tries them (RFC 2782, "Usage rules"): by priority, and among equals
// drawn one after another by weight. draw is a number from 0 to n-1, each as likely. It is pure but for draw.
func Order(targets []Target, draw func(n int) int) []Target {
	left := slices.Clone(targets)
	slices.SortStableFunc(left, func(a, b Target) int {
		// Those of weight 0 stand first, so that they have a chance at all: a draw of 0.
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(min(a.Weight, 1), min(b.Weight, 1)))
	})
	ordered := make([]Target, 0, len(left))
	for len(left) > 0 {
		equals := 1
		for equals < len(left) && left[equals].Priority == left[0].Priority {
			equals++
		}
		chosen := choose(left[:equals], draw)
		ordered = append(ordered, left[chosen])
		left = slices.Delete(left, chosen, chosen+1)
	}
	return ordered
}

// choose draws one of the targets of one priority: the first whose running sum of weights reaches the draw.
func choose(equals []Target, draw func(n int) int) int {
	sum := 0
	for _, t := range equals {
		sum += int(t.Weight)
	}
	drawn := draw(sum + 1)
	running := 0
	for i, t := range equals {
		if running += int(t.Weight); running >= drawn {
			return i
		}
	}
	return len(equals) - 1
}
