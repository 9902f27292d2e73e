package check

import (
	"context"
	"time"
)

// The kinds of check. A kind says which evidence a result carries.
const (
	KindDNS       = "dns"
	KindTLS       = "tls"
	KindLDAPS     = "ldaps"
	KindFirewall  = "firewall"
	KindService   = "service"
	KindSallyport = "sallyport"
)

// Check is one thing that is tested again and again against one target: what it is, when it is run, and how to run it.
type Check struct {
	Name   string // unique in a configuration
	Kind   string
	Target string   // what is tested, as an operator would write it: host:port, a query, a table
	After  []string // names of checks whose failure makes a run of this one pointless

	Interval     time.Duration // from the start of a run to the start of the next
	Timeout      time.Duration // deadline of one run; shorter than Interval
	FailAfter    int           // consecutive bad results before the state is bad; at least 1
	RecoverAfter int           // consecutive good results before the state is good again; at least 1

	// Run does one run. It honours the context's deadline, never panics on what a server sends, and fills in Status,
	// Cause, Detail, Remedy, Endpoints and Evidence; the caller fills in what it knows itself (see Complete).
	Run func(context.Context) Result
}

// Complete is the result with what the check and its runner know of it filled in: name, kind, target, layer, the time
// at which the run began and how long it took.
func (c Check) Complete(r Result, began time.Time, took time.Duration) Result {
	r.Check, r.Kind, r.Target = c.Name, c.Kind, c.Target
	r.Layer = r.Cause.Layer()
	r.Time, r.Duration = began, took
	return r
}

// Skip is the result of a check that was not run because the check named by after failed.
func (c Check) Skip(after string, at time.Time) Result {
	r := Result{Status: Skipped, After: after, Detail: "not run: it depends on " + after + ", which fails"}
	return c.Complete(r, at, 0)
}
