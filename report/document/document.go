package document

import (
	"time"

	"sallyport/check"
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
