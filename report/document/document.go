package document

import (
	"time"

	"sallyport/check"
	"sallyport/report/verdict"
)

// Schema is the version of the shape. Within it keys are only ever added.
const Schema = 1

// Document is what one command found, or what the daemon believes.
type Document struct {
	Schema  int          `json:"schema"`
	Version string       `json:"version"` // of Sallyport
	Host    string       `json:"host"`
	Time    time.Time    `json:"time"` // when it was made; UTC
	Status  check.Status `json:"status"`
	Counts  Counts       `json:"counts"`
	Results []Item       `json:"results"`

	Verdict *verdict.Verdict `json:"verdict,omitempty"` // the results in one; nil where nobody judged them together
}

// Counts is how many results have each status. All of them are always there.
type Counts struct {
	OK      int `json:"ok"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Unknown int `json:"unknown"`
	Skipped int `json:"skipped"`
	Waived  int `json:"waived"`
}

// New is the document of results of single runs: those of check, verify and posture.
func New(version, host string, at time.Time, results []check.Result) Document {
	items := make([]Item, len(results))
	for i, r := range results {
		items[i] = Item{Result: r}
	}
	return Of(version, host, at, items)
}

// Of is the document of results with what is believed of each: that of status.
func Of(version, host string, at time.Time, items []Item) Document {
	d := Document{Schema: Schema, Version: version, Host: host, Time: at.UTC(), Results: items}
	if items == nil {
		d.Results = []Item{} // an empty list, not null
	}
	statuses := make([]check.Status, len(items))
	for i, item := range items {
		statuses[i] = item.Status
		d.Counts.add(item.Status)
	}
	d.Status = check.Worst(statuses...)
	return d
}

// Judged is the document with the verdict on its results. It is for who has made them: evidence that was read from JSON
// says too little. Facts of the host are asked for only where something is not well; nil knows none.
func (d Document) Judged(facts func() verdict.Facts) Document {
	results := make([]check.Result, len(d.Results))
	for i, item := range d.Results {
		results[i] = item.judged()
	}
	var known verdict.Facts
	if facts != nil && d.Counts.Fail+d.Counts.Unknown+d.Counts.Warn > 0 {
		known = facts()
	}
	d.Verdict = new(verdict.Of(results, known))
	return d
}

// judged is what the verdict goes by: what is believed; but what is believed to be well, and looks bad now, is no witness
// for anything.
func (i Item) judged() check.Result {
	r := i.Result
	if r.Status == check.OK && i.State != nil && i.State.Latest != nil && i.State.Latest.Status != check.OK {
		r.Status, r.Endpoints, r.Evidence = check.Skipped, nil, nil
	}
	return r
}

// Of is the count of one status.
func (c Counts) Of(s check.Status) int { return *c.field(s) }

func (c *Counts) add(s check.Status) { *c.field(s)++ }

// field is where a status is counted; one that does not exist counts as unknown.
func (c *Counts) field(s check.Status) *int {
	switch s {
	case check.OK:
		return &c.OK
	case check.Warn:
		return &c.Warn
	case check.Fail:
		return &c.Fail
	case check.Skipped:
		return &c.Skipped
	case check.Waived:
		return &c.Waived
	default:
		return &c.Unknown
	}
}
