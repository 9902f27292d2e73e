package lab

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Report is what check, verify and status say with -o json, read as anybody outside would read it.
type Report struct {
	Schema  int
	Status  string
	Results []Result
	Verdict Verdict
}

// Verdict is the results in one.
type Verdict struct {
	Status     string
	Cause      string
	Layer      string
	Sentence   string
	Evidence   []string
	First      string
	Affected   []string
	Unaffected []string
	Others     []Verdict
}

// Result is one check's part of a report.
type Result struct {
	Check      string
	Kind       string
	Target     string
	Status     string
	Cause      string
	Layer      string
	Detail     string
	Remedy     string
	DurationMS float64 `json:"duration_ms"`
	Endpoints  []Endpoint
	Evidence   json.RawMessage
}

// Endpoint is what was seen at one address of a target.
type Endpoint struct {
	Address string
	Status  string
	Cause   string
	Phases  map[string]float64 `json:"phases_ms"`
}

// Names of the checks in the lab's configuration.
const (
	CheckResolver  = "resolver"
	CheckCloud     = "code42-console"
	CheckDirectory = "directory"
)

// Of is the result of the check of that name, or of the firewall's check for "firewall"; its status is empty when there
// is none yet.
func (r Report) Of(name string) Result {
	i := slices.IndexFunc(r.Results, func(r Result) bool { return r.Check == name || name == r.Kind && name == "firewall" })
	if i < 0 {
		return Result{Check: name}
	}
	return r.Results[i]
}

// AllOK wants the three checks and the firewall's to be ok.
func AllOK(r Report) error {
	for _, name := range []string{CheckResolver, CheckCloud, CheckDirectory, "firewall"} {
		if err := Has(name, "ok", "")(r); err != nil {
			return err
		}
	}
	return nil
}

// Has wants the check of that name to have the status and the cause; any cause will do where cause is empty.
func Has(name, status, cause string) func(Report) error {
	return func(r Report) error {
		got := r.Of(name)
		if got.Status != status || cause != "" && got.Cause != cause {
			return fmt.Errorf("%s is %q %s (%s), want %s %s", name, got.Status, got.Cause, got.Detail, status, cause)
		}
		return nil
	}
}
