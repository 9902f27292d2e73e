package monitor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sallyport/check"
)

// graph is who waits for whom among checks, by their positions in the list.
type graph struct {
	order    []int   // what is depended on before what depends on it, otherwise as listed
	upstream [][]int // everything a check depends on, at any distance, in order
	group    []int   // checks that are connected have the same group: the position of the first of them
}

// newGraph refuses an After that names no check, or that leads back to where it began.
func newGraph(checks []check.Check) (graph, error) {
	direct, err := prerequisites(checks)
	if err != nil {
		return graph{}, err
	}
	order, err := sorted(checks, direct)
	if err != nil {
		return graph{}, err
	}
	return graph{order: order, upstream: closure(order, direct), group: groups(direct)}, nil
}

func prerequisites(checks []check.Check) ([][]int, error) {
	position := make(map[string]int, len(checks))
	for i, c := range checks {
		position[c.Name] = i
	}
	direct := make([][]int, len(checks))
	var errs []error
	for i, c := range checks {
		for _, name := range c.After {
			j, ok := position[name]
			if !ok {
				errs = append(errs, fmt.Errorf("check %q comes after %q, which is no check: name one of the configuration",
					c.Name, name))
				continue
			}
			direct[i] = append(direct[i], j)
		}
	}
	return direct, errors.Join(errs...)
}

// sorted takes, round by round, the checks that wait for nothing that is left (Kahn's algorithm).
func sorted(checks []check.Check, direct [][]int) ([]int, error) {
	order := make([]int, 0, len(checks))
	placed := make([]bool, len(checks))
	for len(order) < len(checks) {
		before := len(order)
		for i := range checks {
			if !placed[i] && !slices.ContainsFunc(direct[i], func(j int) bool { return !placed[j] }) {
				order, placed[i] = append(order, i), true
			}
		}
		if len(order) == before {
			return nil, cycleError(checks, direct, placed)
		}
	}
	return order, nil
}

// cycleError names one cycle: from a check that could not be placed, follow one that it waits for and that could not be
// placed either, until a check comes twice.
func cycleError(checks []check.Check, direct [][]int, placed []bool) error {
	at := slices.Index(placed, false)
	var path []int
	for !slices.Contains(path, at) {
		path = append(path, at)
		at = direct[at][slices.IndexFunc(direct[at], func(j int) bool { return !placed[j] })]
	}
	var names []string
	for _, i := range append(path[slices.Index(path, at):], at) {
		names = append(names, checks[i].Name)
	}
	return fmt.Errorf("checks wait for each other: %s: remove one of these dependencies", strings.Join(names, " after "))
}

func closure(order []int, direct [][]int) [][]int {
	upstream := make([][]int, len(direct))
	for _, i := range order {
		seen := make([]bool, len(direct))
		for _, j := range direct[i] {
			seen[j] = true
			for _, k := range upstream[j] {
				seen[k] = true
			}
		}
		for _, j := range order {
			if seen[j] {
				upstream[i] = append(upstream[i], j)
			}
		}
	}
	return upstream
}

func groups(direct [][]int) []int {
	group := make([]int, len(direct))
	for i := range group {
		group[i] = i
	}
	for i, before := range direct {
		for _, j := range before {
			join(group, group[i], group[j])
		}
	}
	return group
}

func join(group []int, a, b int) {
	for i, g := range group {
		if g == a || g == b {
			group[i] = min(a, b)
		}
	}
}
