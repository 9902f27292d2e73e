package verdict

import (
	"cmp"
	"fmt"
	"slices"

	"sallyport/check"
)

// Verdict is the whole in one: its most urgent root, and what else there is. Without a root its status is that of the
// whole, and its sentence says that all is well.
type Verdict struct {
	Root
	Unaffected []string `json:"unaffected,omitempty"` // the checks that are well
	Well       string   `json:"well,omitempty"`       // the same as a sentence: what is not broken
	Others     []Root   `json:"others,omitempty"`     // further roots, independent of the first, the most urgent first
}

// Root is one fault, and all that it explains. Untrusted text in it is escaped and bounded.
type Root struct {
	Status   check.Status `json:"status"`             // the worst of what it explains
	Cause    check.Cause  `json:"cause"`              // empty where there is nothing to blame
	Layer    check.Layer  `json:"layer"`              // follows from Cause
	Sentence string       `json:"sentence"`           // what broke, and what that leads to
	Evidence []string     `json:"evidence,omitempty"` // what proves it, at most maxEvidence
	First    string       `json:"first,omitempty"`    // the first thing to do
	Affected []string     `json:"affected,omitempty"` // the checks that it explains, by name, those that were not run too
}

// Bounds on a root, for a person reads it.
const (
	maxEvidence = 6   // lines
	maxOwn      = 2   // of them, what the service itself meets
	maxText     = 400 // bytes of one sentence, or one line of evidence
	maxListed   = 3   // names in a sentence
)

// Of is the verdict on results, of one run of each check or of what is believed of each, with what is known of the host.
// It is the same for any order of the results. Warnings are explained like failures; what is waived, or was skipped for a
// reason that is not among the results, is neither affected nor well.
func Of(results []check.Result, facts Facts) Verdict {
	s := newScene(results, facts)
	roots := make([]ranked, 0, len(results))
	for _, f := range s.findings() {
		roots = append(roots, ranked{s.root(f), f.rank})
	}
	if len(roots) == 0 {
		return s.allWell()
	}
	slices.SortStableFunc(roots, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(urgency(a.Status), urgency(b.Status)), cmp.Compare(a.rank, b.rank),
			cmp.Compare(depth(a.Layer), depth(b.Layer)), cmp.Compare(len(b.Affected), len(a.Affected)))
	})
	v := Verdict{Root: roots[0].Root, Unaffected: s.well(), Well: s.wellSentence()}
	for _, r := range roots[1:] {
		v.Others = append(v.Others, r.Root)
	}
	return v
}

// ranked is a root, and the rule that found it.
type ranked struct {
	Root
	rank int
}

// findings are those of all rules, the most fundamental first, each with what it is the first to explain.
func (s *scene) findings() []finding {
	var found []finding
	for rank, find := range rules() {
		for _, f := range find(s) {
			if f.explains = s.claim(f.explains); len(f.explains) > 0 {
				f.rank = rank
				found = append(found, f)
			}
		}
	}
	return s.withService(found)
}

// depth orders layers: what is told of one means little while one before it fails.
func depth(layer check.Layer) int {
	order := []check.Layer{
		check.LayerFirewall, check.LayerDNS, check.LayerConnect, check.LayerProxy, check.LayerTLS, check.LayerClock,
		check.LayerCertificate, check.LayerHTTP, check.LayerLDAP, check.LayerPosture,
	}
	if at := slices.Index(order, layer); at >= 0 {
		return at
	}
	return len(order)
}

// urgency orders what is not well as check.Worst does.
func urgency(s check.Status) int {
	return slices.Index([]check.Status{check.Fail, check.Unknown, check.Warn}, s)
}

// allWell is the verdict where nothing is to be explained.
func (s *scene) allWell() Verdict {
	v := Verdict{Unaffected: s.well(), Well: s.wellSentence()}
	statuses := make([]check.Status, len(s.results))
	for i, r := range s.results {
		statuses[i] = r.Status
	}
	v.Status = check.Worst(statuses...)
	switch n := len(v.Unaffected); {
	case len(s.results) == 0:
		v.Sentence = "there are no checks"
	case n == len(s.results):
		v.Sentence = "all is well: " + counted(n, "check", "checks")
	default:
		v.Sentence = fmt.Sprintf("nothing fails: %s well, %d waived or not run", counted(n, "check", "checks"),
			len(s.results)-n)
	}
	return v
}

// finding is a root as a rule finds it.
type finding struct {
	cause    check.Cause
	status   check.Status // unknown: the worst of what it explains
	sentence string       // what broke
	so       string       // what that leads to; empty: how many checks fail for it
	evidence []string     // besides what the results say
	first    string
	explains []int     // positions of results that are not well
	said     bool      // the sentence and the evidence say what the results do
	rank     int       // of the rule
	service  []trouble // what the service meets of it
	// covers says whether what leads to a place fails for this too, though no check asks there; nil: it cannot be told.
	covers func(place) bool
}

// root completes a finding.
func (s *scene) root(f finding) Root {
	r := Root{Cause: f.cause, Layer: f.cause.Layer(), First: clean(f.first)}
	if r.Status = f.status; r.Status == check.Unknown {
		r.Status = s.worst(f.explains)
	}
	r.Affected = s.names(s.withDependents(f.explains))
	told := f.explains // by what they say themselves; what the service meets is told by that
	if len(f.service) > 0 {
		told = slices.DeleteFunc(slices.Clone(told), func(i int) bool { return itsOwn(s.results[i]) })
	}
	so := f.so
	if so == "" {
		so = consequence(s.worst(told), len(s.names(s.withDependents(told))))
	}
	if !f.said {
		f.evidence = append(f.evidence, s.words(told, r.Layer)...)
	}
	own := ownLines(f)
	if len(own) > 0 {
		so = joined(", and ", so, "the service itself meets it too")
	}
	r.Sentence = clean(joined("; ", f.sentence, so))
	r.Evidence = bounded(f.evidence, own)
	return r
}

// worst is the worst status of results.
func (s *scene) worst(positions []int) check.Status {
	statuses := make([]check.Status, 0, len(positions))
	for _, i := range positions {
		statuses = append(statuses, s.results[i].Status)
	}
	return check.Worst(statuses...)
}

// bounded is evidence as a root has it: each line once, and the last ones kept in any case.
func bounded(lines, last []string) []string {
	last = last[:min(len(last), maxOwn)]
	var kept []string
	for i, all := range [][]string{lines, last} {
		most := maxEvidence - len(last)*(1-i)
		for _, line := range all {
			if line = clean(line); len(kept) < most && line != "" && !slices.Contains(kept, line) {
				kept = append(kept, line)
			}
		}
	}
	return kept
}

// consequence is what a root leads to, where there is more than it alone.
func consequence(s check.Status, affected int) string {
	switch {
	case affected < 2:
		return ""
	case s == check.Warn:
		return fmt.Sprintf("%d checks warn of it", affected)
	default:
		return fmt.Sprintf("so %d checks fail", affected)
	}
}
