package sarif

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/report"
	"sallyport/report/document"
)

// maxText bounds one piece of text, in bytes.
const maxText = 2000

// schema is where the format's JSON Schema is published.
const schema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

// Write writes the document as one run of one tool.
func Write(w io.Writer, d document.Document) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the text is for people: it need not be safe inside a script
	e.SetIndent("", "  ")
	if err := e.Encode(newLog(d)); err != nil {
		return fmt.Errorf("write SARIF: %w", err)
	}
	_, err := w.Write(document.Visible(b.Bytes()))
	return err
}

func newLog(d document.Document) log {
	rules := newRules(d.Results)
	only := run{
		Tool: tool{Driver: driver{Name: "sallyport", Version: printable(d.Version), Rules: rules}},
		Invocations: []invocation{{
			EndTimeUTC: d.Time.UTC().Format(time.RFC3339), Machine: printable(d.Host), ExecutionSuccessful: true,
		}},
		Results: make([]result, len(d.Results)),
	}
	for i, item := range d.Results {
		id := ruleID(item)
		at := slices.IndexFunc(rules, func(r rule) bool { return r.ID == id })
		only.Results[i] = newResult(item, id, at)
	}
	return log{Schema: schema, Version: "2.1.0", Runs: []run{only}}
}

// newRules is a rule for each cause that occurs, sorted.
func newRules(items []document.Item) []rule {
	rules := []rule{}
	for _, item := range items {
		id := ruleID(item)
		if slices.ContainsFunc(rules, func(r rule) bool { return r.ID == id }) {
			continue
		}
		rules = append(rules, newRule(item, id))
	}
	slices.SortFunc(rules, func(a, b rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

func newRule(item document.Item, id string) rule {
	if item.Cause == "" {
		return rule{ID: id, ShortDescription: message{Text: "a check of kind " + id}}
	}
	return rule{
		ID: id, ShortDescription: message{Text: "a check that ended with the cause " + id},
		Help: &message{Text: "sallyport explain " + id},
	}
}

// ruleID is the cause, or the kind of check where there is nothing to blame: every result needs a rule.
func ruleID(item document.Item) string {
	if cause := item.Cause; cause != "" {
		return printable(string(cause))
	}
	return printable(item.Kind)
}

// newResult follows sections 3.27.9 and 3.27.10: a level other than none goes with the kind fail only, and what could not
// be told is open.
func newResult(item document.Item, id string, index int) result {
	name := printable(item.Check)
	r := result{
		RuleID: id, RuleIndex: index, Level: "none", Message: message{Text: text(item)},
		Locations: []location{{LogicalLocations: []logicalLocation{{
			Name: name, FullyQualifiedName: printable(item.Kind) + "/" + name, Kind: "resource",
		}}}},
		// the same finding of tomorrow is told by these, not by its text
		PartialFingerprints: map[string]string{"checkAndCause/v1": name + " " + id},
		Properties: properties{
			Status: item.Status, Target: printable(item.Target), Layer: printable(string(item.Layer)),
			DurationMS: float64(item.Duration.Microseconds()) / 1000,
		},
	}
	switch item.Status {
	case check.OK:
		r.Kind = "pass"
	case check.Warn:
		r.Kind, r.Level = "fail", "warning"
	case check.Fail:
		r.Kind, r.Level = "fail", "error"
	case check.Waived:
		r.Kind, r.Level = "fail", "error"
		r.Suppressions = []suppression{{Kind: "external", Status: "accepted", Justification: printable(item.Detail)}}
	case check.Skipped:
		r.Kind = "notApplicable"
	default:
		r.Kind = "open"
	}
	return r
}

// text must not be empty: section 3.11.2.
func text(item document.Item) string {
	parts := []string{printable(item.Check) + " " + item.Status.String()}
	if item.Detail != "" {
		parts = append(parts, printable(item.Detail))
	}
	if item.Remedy != "" {
		parts = append(parts, "remedy: "+printable(item.Remedy))
	}
	return strings.Join(parts, ": ")
}

func printable(s string) string { return report.Printable(s, maxText) }
