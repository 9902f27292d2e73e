package check

import (
	"maps"
	"slices"
)

// PhaseNames lists the phases of an attempt in the order in which they happen.
func PhaseNames() []string {
	return []string{"dns", "connect", "proxy", "starttls", "tls", "http", "bind", "search"}
}

func orderedPhases(ms map[string]float64) []Phase {
	var phases []Phase
	for _, name := range PhaseNames() {
		if d, ok := ms[name]; ok {
			phases = append(phases, Phase{Name: name, Duration: duration(d)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ms)) {
		if !slices.Contains(PhaseNames(), name) {
			phases = append(phases, Phase{Name: name, Duration: duration(ms[name])})
		}
	}
	return phases
}
