package guard

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// slow is a kernel that takes its time, and then cannot say.
type slow struct {
	takes time.Duration
	looks []time.Time
}

var errSlow = errors.New("too slow")

func (s *slow) Dump(ctx context.Context) (kernel.Dump, error) {
	s.looks = append(s.looks, time.Now())
	select {
	case <-time.After(s.takes):
		return kernel.Dump{}, errSlow
	case <-ctx.Done():
		return kernel.Dump{}, ctx.Err()
	}
}

func (*slow) ApplyRehearsed(context.Context, firewall.Ruleset) (kernel.Dump, error) {
	return kernel.Dump{}, errSlow
}

func (*slow) Repair(context.Context, firewall.Ruleset, kernel.Dump, kernel.Dump) (kernel.Dump, error) {
	return kernel.Dump{}, errSlow
}

func (*slow) SetOwnership(kernel.Ownership)                 {}
func (*slow) Learn(context.Context, []kernel.Learned) error { return errSlow }

func (*slow) Sentries() (*kernel.Sentries, error) { return nil, nil }

func (*slow) Knocks(context.Context) ([]kernel.Knock, error) { return nil, errSlow }

func (*slow) Refused(context.Context) ([]kernel.Refusal, error) { return nil, errSlow }

func (*slow) Golden(context.Context, firewall.Ruleset) (kernel.Dump, error) {
	return kernel.Dump{}, errSlow
}

func (*slow) Remove(context.Context) error { return errSlow }

func (*slow) Watch() (func(context.Context, func(kernel.Change)) error, error) { return nil, errSlow }

func TestUntilNext(t *testing.T) {
	for _, test := range []struct {
		status check.Status
		took   time.Duration
		want   time.Duration
	}{
		{check.OK, time.Millisecond, interval},
		{check.OK, 100 * time.Millisecond, 10 * time.Second},
		{check.OK, lookTimeout, maxInterval},
		{check.Fail, 100 * time.Millisecond, interval},
		{check.Unknown, time.Second, 10 * time.Second},
		{check.Unknown, lookTimeout, maxInterval},
	} {
		if got := untilNext(check.Result{Status: test.status, Duration: test.took}); got != test.want {
			t.Errorf("%v after %s: %s, want %s", test.status, test.took, got, test.want)
		}
	}
}

// TestRunLooksOnWhenLooksAreSlow holds that a kernel that answers late, and a listener that does, do not leave the table
// unwatched for minutes.
func TestRunLooksOnWhenLooksAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &slow{takes: time.Hour}
		g := New(live, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := g.Run(ctx, func(Report) { time.Sleep(20 * time.Second) }); err != nil {
			t.Error(err)
		}
		const most = lookTimeout + maxInterval + 20*time.Second
		for i := range len(live.looks) - 1 {
			if gap := live.looks[i+1].Sub(live.looks[i]); gap > most {
				t.Errorf("%s between two looks, want at most %s", gap, most)
			}
		}
		if len(live.looks) < 5 {
			t.Errorf("%d looks in ten minutes", len(live.looks))
		}
	})
}

// TestPutWaitsNoLongerThanItsContext holds that a slow look does not hold up whoever wants to change something for longer
// than they want to wait.
func TestPutWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(&slow{takes: 20 * time.Second}, slog.New(slog.DiscardHandler))
		done := make(chan Report)
		go func() { done <- g.Look(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Put(ctx, firewall.Ruleset{}, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("put during a look: %v", err)
		}
		if r := g.Look(ctx).Result; r.Status != check.Unknown {
			t.Errorf("look during a look: %v", r.Status)
		}
		if r := (<-done).Result; r.Detail != errSlow.Error() {
			t.Errorf("the look that was under way: %s", r.Detail)
		}
	})
}
