package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/report"
)

// clean is text on one line, escaped and bounded.
func clean(text string) string { return report.Printable(text, maxText) }

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// listed is the first of some names, and how many more there are.
func listed(names []string) string {
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}

// joined is what there is of some words, with a separator between.
func joined(separator string, words ...string) string {
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), separator)
}

// inUnits is a duration as a person says it: its largest unit alone, rounded.
func inUnits(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = d.Abs(); {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d.Round(day)/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d.Round(time.Hour)/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d.Round(time.Minute)/time.Minute)
	default:
		return fmt.Sprintf("%d seconds", d.Round(time.Second)/time.Second)
	}
}

// well are the names of the checks that are well, each once. One of which another result is not well is not.
func (s *scene) well() []string {
	return s.names(s.positions(func(r check.Result) bool { return r.Status == check.OK }))
}

func (s *scene) positions(holds func(check.Result) bool) []int {
	unwellNames := map[string]bool{}
	for _, r := range s.results {
		if unwell(r.Status) {
			unwellNames[r.Check] = true
		}
	}
	var found []int
	for i, r := range s.results {
		if holds(r) && (r.Status != check.OK || !unwellNames[r.Check]) {
			found = append(found, i)
		}
	}
	return found
}

// wellSentence is what is not broken, by kind; and of what fails above TLS, that TLS is well.
func (s *scene) wellSentence() string {
	ok := func(kinds ...string) func(check.Result) bool {
		return func(r check.Result) bool {
			for _, kind := range kinds {
				if r.Kind == kind {
					return r.Status == check.OK
				}
			}
			return false
		}
	}
	var parts []string
	add := func(what string, holds func(check.Result) bool) {
		if names := s.names(s.positions(holds)); len(names) > 0 {
			parts = append(parts, what+" ("+listed(names)+")")
		}
	}
	add("names resolve", ok(check.KindDNS))
	add("TLS and its certificates are well", ok(check.KindTLS))
	add("the directory and its certificates are well", ok(check.KindLDAPS))
	add("the connection, TLS and its certificates are well even where it fails", func(r check.Result) bool {
		return unwell(r.Status) && (r.Cause.Layer() == check.LayerLDAP || r.Cause.Layer() == check.LayerHTTP) &&
			len(r.Endpoints) > 0
	})
	add("the ruleset is in force", ok(check.KindFirewall))
	return strings.Join(parts, "; ")
}
