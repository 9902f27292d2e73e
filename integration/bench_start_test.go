package integration_test

import (
	"regexp"
	"slices"
	"testing"
	"time"
)

const (
	benchStarts = 15                     // of the daemon, at least
	benchLate   = 500 * time.Millisecond // what servers that answer at once never take
)

// BenchmarkStart reports the time from the start of `sallyport run` on a host without a ruleset, whose servers answer
// at once: to the first word of a check, to the first word of the last of five, and to the ruleset being known to be in
// force. The times are those at which a syslog server has the record; medians. disturbed/op is in what part of the
// starts the first word of a check was not ok, or late, though nothing was wrong.
func BenchmarkStart(b *testing.B) {
	h := newHome(b, time.Second)
	var first, all, inForce []float64
	disturbed := 0
	for b.Loop() {
		for range benchStarts {
			h.bare()
			heard := h.start()
			if heard.disturbed() {
				disturbed++
			}
			first, all = append(first, heard.first()), append(all, heard.last())
			inForce = append(inForce, heard[firewallCheck].after)
			if err := h.Stop(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(first), "first-ms")
	b.ReportMetric(median(all), "five-ms")
	b.ReportMetric(median(inForce), "in-force-ms")
	b.ReportMetric(float64(disturbed)/float64(len(first)), "disturbed/op")
}

// bare takes the ruleset away, as on a host where Sallyport never ran.
func (h home) bare() {
	h.b.Helper()
	got, err := h.Host.Run(h.b.Context(), "nft", "add table inet sallyport; delete table inet sallyport")
	if err != nil || got.Code != 0 {
		h.b.Fatal(got, err)
	}
}

// firewallCheck stands for the firewall's check, which has a name of its own.
const firewallCheck = "firewall"

// word is the first that was heard of a check.
type word struct {
	after  float64 // milliseconds since the start of the daemon
	status string
}

// words are the first that was heard of each check.
type words map[string]word

// first is when the first of the five checks was heard of, last when the last was, in milliseconds.
func (w words) first() float64 { return slices.Min(w.times()) }
func (w words) last() float64  { return slices.Max(w.times()) }

func (w words) times() []float64 {
	var times []float64
	for _, name := range fiveChecks() {
		times = append(times, w[name].after)
	}
	return times
}

// disturbed says that a check does not begin as it does with servers that answer at once.
func (w words) disturbed() bool {
	for _, one := range w {
		if one.status != "ok" || one.after > float64(benchLate.Milliseconds()) {
			return true
		}
	}
	return false
}

// start starts the daemon and waits until there is a word of each of the five checks and of the firewall's.
func (h home) start() words {
	h.b.Helper()
	h.forget()
	began := time.Now()
	if err := h.Run(); err != nil {
		h.b.Fatal(err)
	}
	if err := h.log.SetReadDeadline(began.Add(20 * time.Second)); err != nil {
		h.b.Fatal(err)
	}
	said := regexp.MustCompile(`event="transition" check="([^"]*)" kind="([^"]*)" target="[^"]*" status="([^"]*)"`)
	heard := words{}
	for record := make([]byte, 8<<10); len(heard) < len(fiveChecks())+1; {
		n, err := h.log.Read(record)
		if err != nil {
			h.b.Fatalf("%v; heard of %v; the daemon said:\n%s", err, heard, h.Daemon().Output())
		}
		after := time.Since(began)
		of := said.FindSubmatch(record[:n])
		if of == nil {
			h.b.Fatalf("no transition: %s", record[:n])
		}
		name, kind, status := string(of[1]), string(of[2]), string(of[3])
		if kind == firewallCheck {
			name = firewallCheck
		}
		if _, known := heard[name]; !known && (name == firewallCheck || slices.Contains(fiveChecks(), name)) {
			heard[name] = word{float64(after.Microseconds()) / 1000, status}
		}
	}
	return heard
}

// forget drops the records of the daemon before.
func (h home) forget() {
	h.b.Helper()
	for record := make([]byte, 1); ; {
		if err := h.log.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			h.b.Fatal(err)
		}
		if _, err := h.log.Read(record); err != nil {
			return // there are no more
		}
	}
}
