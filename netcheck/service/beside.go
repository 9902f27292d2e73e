package service

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sallyport/check"
)

// complainsFor is for how long a complaint counts as one of now. The tool runs every few hours, and says nothing of what
// went well in a form that is known.
const complainsFor = 15 * time.Minute

// Beside is a check's Run with what the service's log says of the same added where it does not hold. Host is whom the check
// asks.
func Beside(log *Log, host string, run func(context.Context) check.Result) func(context.Context) check.Result {
	return func(ctx context.Context) check.Result {
		r := run(ctx)
		if r.Cause == "" || r.Status != check.Fail && r.Status != check.Warn {
			return r
		}
		now := time.Now()
		list, _ := log.Look(now) // that it cannot be read, the check of the service says
		for _, c := range slices.Backward(list) {
			if now.Sub(c.Time) < complainsFor && Agrees(c.Cause, r.Cause) && (c.Host == "" || sameHost(c.Host, host)) {
				r.Detail += fmt.Sprintf("; the service says so too, at %s: %s",
					c.Time.UTC().Format("15:04:05 UTC"), quoted(c.Text))
				break
			}
		}
		return r
	}
}

func quoted(text string) string { return "\"" + text + "\"" }

// compare says which checks find what a complaint is about, and in words how the two stand to each other.
func (k knowledge) compare(c Complaint, latest []check.Result) (agree []string, words string) {
	var others []string
	for _, r := range latest {
		switch {
		case !finds(r):
		case k.meant(c, r) && Agrees(c.Cause, r.Cause):
			agree = append(agree, r.Check)
		default:
			others = append(others, fmt.Sprintf("%s %s", r.Check, r.Cause))
		}
	}
	switch {
	case len(agree) > 0:
		return agree, "the check " + strings.Join(agree[:min(len(agree), maxDetailed)], ", ") + " finds the same"
	case len(latest) == 0:
		return nil, ""
	case c.Host != "" && !k.asks(c.Host):
		return nil, "no check asks " + c.Host
	case len(others) > 0:
		return nil, "the checks find something else: " + strings.Join(others[:min(len(others), maxDetailed)], ", ")
	}
	return nil, "the checks find nothing of it"
}

// finds says whether a result is a fault of something outside, which a service may meet too.
func finds(r check.Result) bool {
	bad := r.Status == check.Fail || r.Status == check.Warn || r.Status == check.Waived
	return bad && r.Kind != check.KindSallyport && r.Kind != check.KindService
}

// meant says whether a result may be about whom a complaint is about.
func (k knowledge) meant(c Complaint, r check.Result) bool {
	at := slices.IndexFunc(k.targets, func(t Target) bool { return t.Check == r.Check })
	return c.Host == "" || at < 0 || sameHost(k.targets[at].Host, c.Host)
}

// asks says whether a check asks a host.
func (k knowledge) asks(host string) bool {
	return slices.ContainsFunc(k.targets, func(t Target) bool { return sameHost(t.Host, host) })
}
