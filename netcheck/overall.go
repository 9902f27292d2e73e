package netcheck

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/check"
)

// overall is the result of a target of which each address was tried: its status, cause, detail and endpoints. Programs
// that use the name take one of the addresses, often by chance, so:
//
//   - It fails when every address fails; the cause is the most frequent one, the first one among equals.
//   - It is a warning, with the cause of the failing ones, when some fail: the name works now and then.
//   - An address that is set aside does not count.
func overall(endpoints []check.Endpoint) check.Result {
	r := check.Result{Endpoints: endpoints}
	tried := slices.DeleteFunc(slices.Clone(endpoints), func(e check.Endpoint) bool { return e.Status == check.Skipped })
	var statuses []check.Status
	for _, e := range tried {
		statuses = append(statuses, e.Status)
	}
	r.Status = check.Worst(statuses...)
	worst := slices.DeleteFunc(slices.Clone(tried), func(e check.Endpoint) bool { return e.Status != r.Status })
	if r.Status == check.OK || len(worst) == 0 {
		return r
	}
	if r.Status == check.Fail && len(worst) < len(tried) {
		r.Status = check.Warn
	}
	head := headline(worst)
	r.Cause = head.Cause
	r.Detail = head.Address + ": " + head.Detail
	if len(tried) > 1 {
		r.Detail = fmt.Sprintf("%d of %d addresses: %s%s", len(worst), len(tried), r.Detail, otherCauses(worst, head.Cause))
	}
	return r
}

// headline is the first endpoint with the most frequent cause.
func headline(endpoints []check.Endpoint) check.Endpoint {
	count := map[check.Cause]int{}
	for _, e := range endpoints {
		count[e.Cause]++
	}
	head := endpoints[0]
	for _, e := range endpoints[1:] {
		if count[e.Cause] > count[head.Cause] {
			head = e
		}
	}
	return head
}

func otherCauses(endpoints []check.Endpoint, head check.Cause) string {
	var others []string
	for _, e := range endpoints {
		if e.Cause != head && e.Cause != "" {
			others = append(others, string(e.Cause)+" at "+e.Address)
		}
	}
	if len(others) == 0 {
		return ""
	}
	return " (and " + strings.Join(others, ", ") + ")"
}

// endpointsOf are the attempts as a result shows them.
func endpointsOf(attempts []attempt) []check.Endpoint {
	endpoints := make([]check.Endpoint, 0, len(attempts))
	for i := range attempts {
		endpoints = append(endpoints, attempts[i].endpoint())
	}
	return endpoints
}
