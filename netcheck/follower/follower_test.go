package follower

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/netcheck/resolver"
)

// world is a resolver and whom is told, in the bubble of a test.
type world struct {
	mu      sync.Mutex
	answers map[string]resolver.NameAnswer
	deaf    bool              // whom is told does not listen
	bars    map[string]string // by address: why it is not let out
	told    []string          // when, which name, which addresses
	asked   []string
	began   time.Time
}

var errDeaf = errors.New("nobody listens")

func (w *world) lookup(_ context.Context, name string) (resolver.NameAnswer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprintf("%s %s", time.Since(w.began), name))
	answer, ok := w.answers[name]
	if !ok {
		return resolver.NameAnswer{}, errors.New("no such name")
	}
	return answer, nil
}

func (w *world) teach(_ context.Context, told []Telling) (barred []Barred, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf {
		return nil, errDeaf
	}
	for _, t := range told {
		var addrs []string
		for _, a := range t.Addresses {
			addrs = append(addrs, a.Addr.String())
			if why := w.bars[a.Addr.String()]; why != "" {
				barred = append(barred, Barred{Name: t.Name, Addr: a.Addr, Why: why})
			}
		}
		slices.Sort(addrs)
		w.told = append(w.told, fmt.Sprintf("%s %s %s", time.Since(w.began), t.Name, strings.Join(addrs, ",")))
	}
	return barred, nil
}

// saw is what was told since it was asked last.
func (w *world) saw() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return told
}

func (w *world) answer(name string, ttl time.Duration, addrs ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := resolver.NameAnswer{Fresh: ttl}
	for _, addr := range addrs {
		a.Addresses = append(a.Addresses, resolver.NamedAddress{Addr: netip.MustParseAddr(addr), TTL: ttl})
	}
	w.answers[name] = a
}

func (w *world) say(deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = deaf
}

// following runs a follower of names in a bubble.
func following(t *testing.T, names []string, test func(t *testing.T, w *world, f *Follower)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{answers: map[string]resolver.NameAnswer{}, bars: map[string]string{}, began: time.Now()}
		f := New(w.teach)
		f.lookup = w.lookup
		w.answer("cloud.example", 30*time.Second, "192.0.2.1")
		f.Follow(names)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		synctest.Wait()
		test(t, w, f)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func wants(t *testing.T, when string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: told %q, want %q", when, got, want)
	}
}

func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestFollowerAsksBeforeAnAnswerRunsOut follows a name whose address changes.
func TestFollowerAsksBeforeAnAnswerRunsOut(t *testing.T) {
	following(t, []string{"Cloud.Example."}, func(t *testing.T, w *world, f *Follower) {
		wants(t, "at first", w.saw(), "0s cloud.example 192.0.2.1")
		select {
		case <-f.Tried():
		default:
			t.Error("the first names are told, and that is not said")
		}
		w.answer("cloud.example", 30*time.Second, "192.0.2.2")
		after(29 * time.Second)
		wants(t, "before the answer runs out", w.saw())
		after(2 * time.Second)
		wants(t, "when it does", w.saw(), "30s cloud.example 192.0.2.2")
		w.answer("cloud.example", 0, "192.0.2.2")
		after(40 * time.Second)
		wants(t, "a TTL of nothing is five seconds", w.saw(),
			"1m0s cloud.example 192.0.2.2", "1m5s cloud.example 192.0.2.2", "1m10s cloud.example 192.0.2.2")
	})
}

// TestFollowerWhenResolversFail holds that a name leads where it led while it cannot be resolved, and is asked for ever
// more rarely.
func TestFollowerWhenResolversFail(t *testing.T) {
	following(t, []string{"cloud.example"}, func(t *testing.T, w *world, _ *Follower) {
		w.saw()
		w.mu.Lock()
		delete(w.answers, "cloud.example")
		w.asked = nil
		w.mu.Unlock()
		after(11 * time.Minute)
		if told := w.saw(); len(told) != 1 || !strings.HasSuffix(told[0], " cloud.example 192.0.2.1") {
			t.Errorf("in eleven minutes told %q, want it once more", told)
		}
		if n := len(w.asked); n < 20 || n > 30 {
			t.Errorf("asked %d times in eleven minutes", n)
		}
		w.answer("cloud.example", time.Hour, "192.0.2.3")
		after(retryLongest)
		if told := w.saw(); len(told) != 1 || !strings.HasSuffix(told[0], " cloud.example 192.0.2.3") {
			t.Errorf("when it is back: %q", told)
		}
	})
}

// TestFollowerTellsAgain holds that everything is told again, at once, to who has forgotten it, also where nobody listened
// at first.
func TestFollowerTellsAgain(t *testing.T) {
	following(t, []string{"cloud.example"}, func(t *testing.T, w *world, f *Follower) {
		w.saw()
		w.say(true)
		f.Forgotten()
		after(time.Millisecond)
		wants(t, "nobody listens", w.saw())
		w.say(false)
		after(retryFirst)
		if told := w.saw(); len(told) == 0 || !strings.HasSuffix(told[0], "cloud.example 192.0.2.1") {
			t.Errorf("when somebody does: %q", told)
		}
		after(10 * time.Second)
		w.saw()
		w.answer("cloud.example", time.Hour, "192.0.2.9")
		f.Forgotten()
		synctest.Wait()
		if told := w.saw(); len(told) != 1 || !strings.HasSuffix(told[0], "cloud.example 192.0.2.1") {
			t.Errorf("to another: %q, want what is known, without asking", told)
		}
	})
}

// TestReaching holds that an address is told before it is connected to, once, and who is not let out is said.
func TestReaching(t *testing.T) {
	following(t, []string{"cloud.example"}, func(t *testing.T, w *world, f *Follower) {
		w.saw()
		addrs := func(list ...string) (all []netip.Addr) {
			for _, a := range list {
				all = append(all, netip.MustParseAddr(a))
			}
			return all
		}
		w.bars["127.0.0.1"] = "a loopback address"
		for range 3 {
			why := f.Reaching(t.Context(), "CLOUD.example", addrs("192.0.2.1", "192.0.2.7", "127.0.0.1"))
			if len(why) != 1 || why[netip.MustParseAddr("127.0.0.1")] != "a loopback address" {
				t.Errorf("not let out: %v", why)
			}
		}
		wants(t, "three runs of a check", w.saw(), "0s cloud.example 127.0.0.1,192.0.2.7")
		if why := f.Reaching(t.Context(), "other.example", addrs("127.0.0.1")); why != nil {
			t.Errorf("of a name that nobody follows: %v", why)
		}
		f.Follow([]string{"other.example"})
		if why := f.Reaching(t.Context(), "cloud.example", addrs("192.0.2.99")); why != nil {
			t.Errorf("of a name that is not followed any more: %v", why)
		}
		wants(t, "a name more", w.saw())
	})
}

// TestFollowerTellsInPieces holds that a telling is bounded.
func TestFollowerTellsInPieces(t *testing.T) {
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("n%d.example", i))
	}
	following(t, nil, func(t *testing.T, w *world, f *Follower) {
		var many []string
		for i := range 64 {
			many = append(many, fmt.Sprintf("192.0.2.%d", i))
		}
		for _, name := range names {
			w.answer(name, time.Hour, many...)
		}
		f.Follow(names)
		synctest.Wait()
		if told := w.saw(); len(told) != len(names) {
			t.Errorf("%d names are told", len(told))
		}
		largest := 0
		f.teach = func(_ context.Context, told []Telling) ([]Barred, error) {
			n := 0
			for _, one := range told {
				n += len(one.Addresses)
			}
			largest = max(largest, n)
			return nil, nil
		}
		f.Forgotten()
		synctest.Wait()
		if largest == 0 || largest > maxTelling {
			t.Errorf("%d addresses in one telling", largest)
		}
	})
}
