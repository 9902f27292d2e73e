package revocation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"crypto/x509"

	"golang.org/x/crypto/ocsp"

	"sallyport/tlsprobe/fetch"
	"sallyport/tlsprobe/tlsprobetest"
)

// TestCacheOverTime goes through what is asked, and believed, over the hours.
func TestCacheOverTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c cache[int]
		asked, down := 0, false
		start := time.Now()
		get := func() (int, error) {
			return c.get(t.Context(), "key", func(context.Context) (int, time.Time, error) {
				asked++
				if down {
					return 0, time.Time{}, errors.New("down")
				}
				return asked, start.Add(3 * time.Hour), nil
			})
		}
		for _, step := range []struct {
			minutes    int // since the step before
			down       bool
			want       int // 0: an error
			wantAsked  int
			whatItIsOf string
		}{
			{0, false, 1, 1, "asked"}, {59, false, 1, 1, "believed for an hour"}, {2, false, 2, 2, "asked again"},
			{61, true, 2, 3, "a failure leaves what is believed"}, {0, true, 2, 3, "and is remembered"},
			{2, true, 2, 4, "for a minute"}, {1, true, 2, 4, "then for two"}, {2, true, 2, 5, "asked"},
			{60, true, 0, 6, "no longer believed"}, {4, true, 0, 6, "and not asked for five minutes"},
			{2, true, 0, 7, "asked"},
			{6, false, 8, 8, "well again"},
		} {
			time.Sleep(time.Duration(step.minutes) * time.Minute)
			down = step.down
			got, err := get()
			if got != step.want || (err != nil) != (step.want == 0) || asked != step.wantAsked {
				t.Errorf("%s, after %v: %d, %v, asked %d times; want %d, %d", step.whatItIsOf, time.Since(start), got, err,
					asked,
					step.want, step.wantAsked)
			}
		}
	})
}

// TestCacheForgetsItsOwnFailures: that a run was given up, or has made its fetches, says nothing of who was to answer.
func TestCacheForgetsItsOwnFailures(t *testing.T) {
	t.Parallel()
	var c cache[int]
	for i, own := range []error{context.Canceled, fetch.ErrSpent, errHeld} {
		asked := false
		_, err := c.get(t.Context(), "key", func(context.Context) (int, time.Time, error) {
			asked = true
			return 0, time.Time{}, fmt.Errorf("fetch: %w", own)
		})
		if !asked || !isHeld(err) {
			t.Errorf("%d: asked %v, %v", i, asked, err)
		}
	}
}

// TestCacheAsksOnce: who comes while somebody asks waits for the answer, as long as there is time.
func TestCacheAsksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c cache[int]
		var asked atomic.Int32
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%2*10)*time.Second)
				defer cancel()
				got, err := c.get(ctx, "key", func(context.Context) (int, time.Time, error) {
					asked.Add(1)
					time.Sleep(5 * time.Second)
					return 7, time.Now().Add(time.Hour), nil
				})
				if (got != 7 || err != nil) && !errors.Is(err, errHeld) {
					t.Errorf("%d, %v", got, err)
				}
			})
		}
		all.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := cache[int]{size: func(n int) int { return n }}
	for i := range 3 * maxSlots {
		_, _ = c.get(t.Context(), strconv.Itoa(i), func(context.Context) (int, time.Time, error) {
			return 1 << 20, time.Now().Add(time.Hour), nil
		})
		if c.bytes > maxCacheBytes || len(c.slots) > maxSlots {
			t.Fatalf("%d bytes in %d slots", c.bytes, len(c.slots))
		}
	}
	total := 0
	for _, s := range c.slots {
		total += s.size
	}
	if total != c.bytes || total < maxCacheBytes/2 {
		t.Errorf("%d bytes, counted %d", total, c.bytes)
	}
}

// TestFetchesOfARun: a chain that names a hundred places has four of them asked, and the run's want of more is not held
// against the others.
func TestFetchesOfARun(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	office := tlsprobetest.Office{Now: time.Now(), Name: "localhost"}
	everywhere := func(c *x509.Certificate) {
		for i := range 100 {
			c.OCSPServer = append(c.OCSPServer, fmt.Sprintf("%s/%d", server.URL, i))
			c.CRLDistributionPoints = append(c.CRLDistributionPoints, fmt.Sprintf("%s/%x/%d", server.URL, c.SerialNumber, i))
		}
	}
	root := office.Issue(t, tlsprobetest.NewKey(t), nil, office.Authority("Root"))
	middle := office.Issue(t, tlsprobetest.NewKey(t), root, office.Authority("Middle"), everywhere)
	leaf := office.Issue(t, tlsprobetest.NewKey(t), middle, everywhere)
	ctx, cancel := context.WithTimeout(fetch.Within(t.Context(), 4), 10*time.Second)
	defer cancel()
	c := NewChecker()
	told := c.Ask(ctx, tlsprobetest.Certs(leaf, middle, root), nil)
	if asked.Load() != 4 || len(told) != 2 || len(told[0].Failures) != 4 || told[1].Failures[0].Problem != Held {
		t.Errorf("asked %d times: %+v", asked.Load(), told)
	}
	c.Ask(fetch.Within(ctx, 4), tlsprobetest.Certs(leaf, middle, root), nil)
	if asked.Load() != 8 {
		t.Errorf("asked %d times in two runs", asked.Load())
	}
}

// TestARevocationOutlivesAnOldStaple: a server that goes on stapling what was true before does not undo what the responder
// told.
func TestARevocationOutlivesAnOldStaple(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(h.response(t, func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, h.now }))
	}))
	defer server.Close()
	cert := *h.leaf.Cert
	cert.OCSPServer = []string{server.URL}
	path := []*x509.Certificate{&cert, h.ca.Cert}
	c, staple := NewChecker(), h.response(t, nil)
	for i, want := range []Status{Good, Revoked, Revoked} {
		shown := staple
		if i == 1 {
			shown = nil
		}
		if told := c.Ask(t.Context(), path, shown); told[0].Status != want {
			t.Errorf("step %d: %+v, want %s", i, told[0].Answer, want)
		}
	}
}

// TestARevocationIsSeenWithinTheHour: an answer that holds for days is asked for anew, and is not what is known till then.
func TestARevocationIsSeenWithinTheHour(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	status := ocsp.Good
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(h.response(t, func(r *ocsp.Response) {
			r.Status, r.RevokedAt, r.NextUpdate = status, h.now, time.Now().Add(72*time.Hour)
		}))
	}))
	defer server.Close()
	cert := *h.leaf.Cert
	cert.OCSPServer = []string{server.URL}
	path := []*x509.Certificate{&cert, h.ca.Cert}
	c := NewChecker()
	c.Ask(t.Context(), path, nil)
	status = ocsp.Revoked
	if told := c.Known(path, nil); told[0].Status != Good || !told[0].Settled() {
		t.Errorf("at once: %+v", told[0])
	}
	c.answers.slots[keyOf(&cert, h.ca.Cert)].refresh = time.Now().Add(-time.Second) // an hour later
	if told := c.Known(path, nil); told[0].Status != Good || told[0].Settled() {
		t.Errorf("after an hour nobody is to be asked: %+v", told[0])
	}
	if told := c.Ask(t.Context(), path, nil); told[0].Status != Revoked || !told[0].Settled() {
		t.Errorf("asked anew: %+v", told[0])
	}
}

// BenchmarkKnown is what a run costs whose answers are remembered: by the responder, by a staple, and with nobody to ask.
func BenchmarkKnown(b *testing.B) {
	h := newHouse(b)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(h.response(b, nil))
	}))
	defer server.Close()
	asking := *h.leaf.Cert
	asking.OCSPServer = []string{server.URL}
	staple := h.response(b, nil)
	for name, one := range map[string]struct {
		leaf   *x509.Certificate
		staple []byte
	}{"ocsp": {&asking, nil}, "staple": {h.leaf.Cert, staple}, "nowhere": {h.leaf.Cert, nil}} {
		b.Run(name, func(b *testing.B) {
			c, path := NewChecker(), []*x509.Certificate{one.leaf, h.ca.Cert}
			c.Ask(b.Context(), path, one.staple)
			b.ReportAllocs()
			for b.Loop() {
				if told := c.Known(path, one.staple); (told[0].Status == Good) != (name != "nowhere") {
					b.Fatalf("%+v", told)
				}
			}
		})
	}
}
