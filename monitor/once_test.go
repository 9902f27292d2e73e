package monitor

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

func statuses(results []check.Result) string {
	var words []string
	for _, r := range results {
		words = append(words, r.Check+"="+r.Status.String())
	}
	return strings.Join(words, " ")
}

func TestOnce(t *testing.T) {
	tests := []struct {
		name   string
		checks []check.Check
		want   string
	}{
		{"none", nil, ""},
		{
			"what depends on a bad one is skipped, near or far",
			[]check.Check{
				every(time.Second, "leaf", well, "tls"), every(time.Second, "tls", well, "dns"),
				every(time.Second, "dns", broken), every(time.Second, "other", well),
			},
			"leaf=skipped tls=skipped dns=fail other=ok",
		},
		{
			"a name that is not in the list is taken for met",
			[]check.Check{every(time.Second, "tls", well, "dns")}, "tls=ok",
		},
		{
			"a circle", []check.Check{every(time.Second, "a", well, "b"), every(time.Second, "b", well, "a")},
			"a=unknown b=unknown",
		},
		{"an external one", []check.Check{guarded(time.Second)}, "ruleset=skipped"},
		{
			"a panic", []check.Check{every(time.Second, "a", func(context.Context) check.Result { panic(1) })}, "a=unknown",
		},
	}
	for _, tt := range tests {
		for _, workers := range []int{0, 1, 8} {
			synctest.Test(t, func(t *testing.T) {
				if got := statuses(Once(t.Context(), tt.checks, workers, nil)); got != tt.want {
					t.Errorf("%s, %d workers: got %s, want %s", tt.name, workers, got, tt.want)
				}
			})
		}
	}
}

func TestOnceIsBoundedAndParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		var checks []check.Check
		for i := range 40 {
			checks = append(checks, every(time.Minute, fmt.Sprint(i), func(ctx context.Context) check.Result {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				time.Sleep(time.Second)
				return well(ctx)
			}))
		}
		began := time.Now()
		results := Once(t.Context(), checks, 8, nil)
		if took := time.Since(began); took != 5*time.Second || most.Load() != 8 {
			t.Errorf("took %s with %d at once, want 5s with 8", took, most.Load())
		}
		for i, r := range results {
			if r.Check != fmt.Sprint(i) {
				t.Errorf("result %d is that of %s", i, r.Check)
			}
		}
	})
}

func TestOnceInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		patient := func(ctx context.Context) check.Result { <-ctx.Done(); return broken(ctx) }
		began := time.Now()
		results := Once(ctx, []check.Check{
			every(time.Minute, "a", well), every(time.Minute, "b", patient), every(time.Minute, "c", well),
		}, 1, nil)
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %s, want 1s", took)
		}
		if got, want := statuses(results), "a=ok b=unknown c=unknown"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for _, r := range results[1:] {
			if r.Cause != "" || r.Detail != "interrupted before it was done" {
				t.Errorf("got %+v", r)
			}
		}
	})
}
