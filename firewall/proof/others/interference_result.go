package others

import (
	"context"
	"fmt"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/census"
)

// InterferenceEvidence is what a result about the rules of others carries.
type InterferenceEvidence struct {
	Findings []Finding `json:"findings,omitempty"`
	Gaps     []string  `json:"gaps,omitempty"` // what could not be read
	Tables   int       `json:"tables"`         // of others, also those without a finding
}

// InterferenceCheck is the check of what others can do to the policy.
func InterferenceCheck() check.Check {
	return check.Check{Name: "firewall.interference", Kind: check.KindFirewall, Target: "rules and programs of others"}
}

// InterferenceResult is what a census means for the policy: as bad as its worst finding, whose cause it has.
func InterferenceResult(c census.Census, p firewall.Policy) check.Result {
	findings := Interference(c, p)
	r := check.Result{
		Status:   check.OK,
		Evidence: InterferenceEvidence{Findings: findings, Gaps: c.Gaps, Tables: len(c.Tables)},
		Detail:   "nothing of others goes round the policy or drops what it lets in",
	}
	if len(findings) == 0 || findings[0].Grade == check.OK {
		if len(c.Gaps) > 0 {
			r.Detail += ", as far as could be told: " + first(c.Gaps)
		}
		return r
	}
	worst, more := findings[0], -1
	for _, f := range findings {
		if f.Grade != check.OK {
			more++
		}
	}
	r.Status, r.Cause, r.Detail, r.Remedy = worst.Grade, worst.Cause, worst.String(), worst.Remedy
	if more > 0 {
		r.Detail += fmt.Sprintf("; and %d more such findings", more)
	}
	return r
}

// Look takes a census in the network namespace of the calling thread and judges it. Where no census can be taken, the
// result is unknown.
func Look(ctx context.Context, p firewall.Policy) check.Result {
	began := time.Now()
	c, err := kernel.TakeCensus(ctx)
	r := check.Result{Status: check.Unknown, Cause: check.UnknownIn(check.LayerFirewall)}
	if err != nil {
		r.Detail = err.Error()
	} else {
		r = InterferenceResult(c, p)
	}
	return InterferenceCheck().Complete(r, began, time.Since(began))
}
