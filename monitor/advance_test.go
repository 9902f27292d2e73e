package monitor

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

// say is one result in short: ok, warn:cert.expiring, fail:dns.timeout.
func say(text string, at time.Time) check.Result {
	name, cause, _ := strings.Cut(text, ":")
	var status check.Status
	if err := status.UnmarshalText([]byte(name)); err != nil {
		panic(err)
	}
	return check.Result{Status: status, Cause: check.Cause(cause), Time: at}
}

// TestAdvance feeds results and compares, after each, what is believed and whether there was a transition (marked *).
func TestAdvance(t *testing.T) {
	tests := []struct {
		name          string
		fail, recover int
		say           string
		want          string
	}{
		{"the first ok is believed at once", 2, 2, "ok", "*ok"},
		{"the first bad needs its threshold", 2, 1, "fail:a fail:a", "unknown *fail:a"},
		{"a first unknown is a transition too", 2, 1, "unknown:a unknown:a unknown:a", "unknown *unknown:a unknown:a"},
		{"a blip is not believed", 2, 1, "ok fail:a ok fail:a ok", "*ok ok ok ok ok"},
		{"thresholds count in a row", 3, 1, "ok fail:a fail:a ok fail:a fail:a fail:a", "*ok ok ok ok ok ok *fail:a"},
		{"any bad result counts", 3, 1, "ok fail:a unknown:b fail:c", "*ok ok ok *fail:c"},
		{"recovery needs its threshold", 1, 3, "fail:a ok ok fail:a ok ok ok",
			"*fail:a fail:a fail:a fail:a fail:a fail:a *ok"},
		{"recovery to the last of the good ones", 1, 2, "fail:a ok warn:w", "*fail:a fail:a *warn:w"},
		{"warn has no threshold", 3, 3, "ok warn:w ok", "*ok *warn:w *ok"},
		{"waived counts as good", 2, 2, "ok waived:p fail:p waived:p", "*ok *waived:p waived:p waived:p"},
		{"warn interrupts what is bad", 2, 1, "ok fail:a warn:w fail:a", "*ok ok *warn:w warn:w"},
		{"another warning", 2, 1, "warn:a warn:b warn:b", "*warn:a *warn:b warn:b"},
		{"another cause while failing", 1, 1, "fail:a fail:b fail:b", "*fail:a *fail:b fail:b"},
		{"another cause needs its threshold", 2, 1, "fail:a fail:a fail:b fail:b", "unknown *fail:a fail:a *fail:b"},
		{"alternating causes", 2, 1, "fail:a fail:a fail:b fail:a fail:b", "unknown *fail:a fail:a fail:a fail:a"},
		{"fail to unknown", 2, 1, "fail:a fail:a unknown:u unknown:u", "unknown *fail:a fail:a *unknown:u"},
		{"skipped changes nothing", 2, 2, "skipped ok skipped fail:a skipped fail:a skipped ok skipped ok",
			"unknown *ok ok ok ok *fail:a fail:a fail:a fail:a *ok"},
		{"information with an ok", 2, 1, "ok ok:changed ok", "*ok *ok:changed ok"},
		{"thresholds below one", 0, -1, "ok fail:a ok", "*ok *fail:a *ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := check.Check{Name: "c", Kind: "k", Target: "t", FailAfter: tt.fail, RecoverAfter: tt.recover}
			if got := believed(t, c, strings.Fields(tt.say)); got != tt.want {
				t.Errorf("results  %s\nbelieved %s\nwant     %s", tt.say, got, tt.want)
			}
		})
	}
}

func believed(t *testing.T, c check.Check, said []string) string {
	t.Helper()
	var s State
	var out []string
	for i, text := range said {
		at := time.Unix(int64(i+1), 0)
		before := s
		r := say(text, at)
		next, transition := Advance(s, c, r)
		s = next
		if s.Last.Status != r.Status || s.Check != c.Name || s.Kind != c.Kind || s.Target != c.Target {
			t.Errorf("after %q: state is not filled in: %+v", text, s)
		}
		out = append(out, mark(transition)+string(verdictText(s)))
		checkTransition(t, c, before, s, r, transition)
	}
	return strings.Join(out, " ")
}

func verdictText(s State) check.Cause {
	if s.Cause == "" {
		return check.Cause(s.Status.String())
	}
	return check.Cause(s.Status.String()) + ":" + s.Cause
}

func mark(transition *check.Transition) string {
	if transition == nil {
		return ""
	}
	return "*"
}

func checkTransition(t *testing.T, c check.Check, before, after State, r check.Result, got *check.Transition) {
	t.Helper()
	if before.Status != after.Status && !after.Since.Equal(r.Time) {
		t.Errorf("status moved at %v, but Since is %v", r.Time, after.Since)
	}
	if before.Settled() && before.Status == after.Status && !after.Since.Equal(before.Since) {
		t.Errorf("Since moved from %v to %v, the status did not", before.Since, after.Since)
	}
	if got == nil {
		return
	}
	want := fmt.Sprint(c.Name, before.Status, after.Status, before.Since, r)
	if have := fmt.Sprint(got.Check, got.From, got.To, got.Since, got.Result); have != want {
		t.Errorf("transition\n%s\nwant\n%s", have, want)
	}
}

func TestConsecutive(t *testing.T) {
	c := check.Check{Name: "c", FailAfter: 1, RecoverAfter: 1}
	var s State
	for i, want := range []int{1, 2, 1, 2, 2, 3, 1} {
		text := strings.Fields("ok warn:w fail:a fail:b skipped unknown:c ok")[i]
		s, _ = Advance(s, c, say(text, time.Unix(int64(i+1), 0)))
		if s.Consecutive() != want {
			t.Errorf("after result %d (%s): %d in a row, want %d", i+1, text, s.Consecutive(), want)
		}
	}
}

// TestShownIsWhatIsBelieved holds that what a status shows is a result that says what is believed, not merely the latest.
func TestShownIsWhatIsBelieved(t *testing.T) {
	c := check.Check{Name: "tls", FailAfter: 2, RecoverAfter: 2}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var s State
	for i, step := range []struct {
		status check.Status
		shown  string
		agrees bool
	}{
		{check.Fail, "", false}, // one bad result is believed of nobody
		{check.Fail, "1", true},
		{check.OK, "1", false},
		{check.OK, "3", true},
		{check.OK, "4", true},
		{check.Skipped, "4", false},
	} {
		r := check.Result{Status: step.status, Detail: strconv.Itoa(i), Time: at.Add(time.Duration(i) * time.Second)}
		s, _ = Advance(s, c, r)
		if s.Shown.Detail != step.shown || s.Agrees() != step.agrees {
			t.Errorf("after %d: shows %q, agrees %v; want %q, %v", i, s.Shown.Detail, s.Agrees(), step.shown, step.agrees)
		}
	}
}
