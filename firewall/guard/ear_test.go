package guard

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/firewall/kernel"
)

// fragile is a kernel whose watching breaks at once, so many times; then it holds.
type fragile struct {
	slow
	breaks int
	opened []time.Duration // since the beginning
	began  time.Time
}

func (f *fragile) Watch() (func(context.Context, func(kernel.Change)) error, error) {
	f.opened = append(f.opened, time.Since(f.began))
	if len(f.opened) <= f.breaks {
		return nil, errSlow
	}
	return func(ctx context.Context, changed func(kernel.Change)) error {
		changed(kernel.Change{Generation: 7})
		<-ctx.Done()
		return nil
	}, nil
}

// TestHearingIsOpenedAgain holds that a socket which fails is opened again, after twice the time at each failure, and that
// what it tells then is heard.
func TestHearingIsOpenedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &fragile{breaks: 7, began: time.Now()}
		g := New(live, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := g.Run(ctx, func(Report) {}); err != nil {
			t.Error(err)
		}
		const s = time.Second
		want := []time.Duration{0, 2 * s, 6 * s, 14 * s, 30 * s, 62 * s, 122 * s, 182 * s}
		late := func(got, want time.Duration) int { // looks come every two seconds, and that is when it is tried
			if got >= want && got <= want+time.Duration(len(live.opened))*interval {
				return 0
			}
			return 1
		}
		if slices.CompareFunc(live.opened, want, late) != 0 {
			t.Errorf("opened after %s, want %s", live.opened, want)
		}
		if g.news.newest != 7 {
			t.Errorf("what was told in the end is not heard: %d", g.news.newest)
		}
	})
}
