package monitor

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

func guarded(interval time.Duration) check.Check {
	return check.Check{
		Name: "ruleset", Kind: check.KindFirewall, Target: "inet sallyport",
		Interval: interval, FailAfter: 2, RecoverAfter: 1,
	}
}

func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		m := mustNew(t, []check.Check{guarded(10 * time.Second), every(time.Hour, "tls", well, "ruleset")}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(time.Second)
		say := func(r check.Result) {
			t.Helper()
			r.Check = "ruleset"
			if err := m.Observe(r); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		say(check.Result{Status: check.OK})
		say(check.Result{Status: check.Fail, Cause: check.FirewallDrift})
		say(check.Result{Status: check.Fail, Cause: check.FirewallDrift})
		say(check.Result{Status: check.OK, Cause: check.FirewallRepaired})
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := "[tls unknown>ok ruleset unknown>ok ruleset ok>fail firewall.drift ruleset fail>ok firewall.repaired]"
		if got := fmt.Sprint(w.moves()); got != want {
			t.Errorf("transitions %s, want %s", got, want)
		}
		r := w.of("ruleset")[1]
		known := r.Kind == check.KindFirewall && r.Target == "inet sallyport" && r.Layer == check.LayerFirewall
		if !known || r.Time.IsZero() {
			t.Errorf("not filled in: %+v", r)
		}
	})
}

func TestObserveRefuses(t *testing.T) {
	m := mustNew(t, []check.Check{guarded(time.Second), every(time.Hour, "tls", well)}, lockstep)
	for name, want := range map[string]string{
		"tls":  `a result from outside for "tls", which is a check that is run here`,
		"else": `a result for "else", which is no check of the configuration`,
	} {
		if err := m.Observe(check.Result{Check: name}); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

// TestStaleness: without word for three intervals the state is unknown at once, and well again with the next word.
func TestStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &witness{}
		m := mustNew(t, []check.Check{guarded(10 * time.Second)}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(25 * time.Second)
		if err := m.Observe(check.Result{Check: "ruleset", Status: check.OK}); err != nil {
			t.Error(err)
		}
		time.Sleep(45 * time.Second) // word was due until 55 s; results without word at 55 s and 65 s
		if err := m.Observe(check.Result{Check: "ruleset", Status: check.OK}); err != nil {
			t.Error(err)
		}
		time.Sleep(29 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(since(start, w.of("ruleset"))), "[25s 55s 1m5s 1m10s]"; got != want {
			t.Errorf("results at %s, want %s", got, want)
		}
		want := "[ruleset unknown>ok ruleset ok>unknown unknown.firewall ruleset unknown>ok]"
		if got := fmt.Sprint(w.moves()); got != want {
			t.Errorf("transitions %s, want %s", got, want)
		}
		if got := w.transitions[1].Result.Time.Sub(start); got != 55*time.Second {
			t.Errorf("believed after %s, want at once, at 55s", got)
		}
		r := w.of("ruleset")[1]
		if want := "no word from the guard since " + start.Add(25*time.Second).UTC().Format(time.RFC3339); r.Detail != want {
			t.Errorf("detail %q, want %q", r.Detail, want)
		}
		if r.Layer != check.LayerFirewall {
			t.Errorf("layer %q", r.Layer)
		}
	})
}

// TestObserveReleases: what was skipped because of an external check runs as soon as there is good word of it.
func TestObserveReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &witness{}
		ruleset := guarded(time.Hour)
		ruleset.FailAfter = 1
		m := mustNew(t, []check.Check{ruleset, every(10*time.Minute, "tls", well, "ruleset")}, lockstep, w)
		if err := m.Observe(check.Result{Check: "ruleset", Status: check.Fail, Cause: check.FirewallMissing}); err != nil {
			t.Error(err)
		}
		stop := begin(t, m)
		time.Sleep(time.Minute)
		if err := m.Observe(check.Result{Check: "ruleset", Status: check.OK}); err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(since(start, w.of("tls"))), "[0s 1m0s]"; got != want {
			t.Errorf("tls at %s, want %s", got, want)
		}
	})
}

// TestObserveKeepsOthersOnTime: word of one check does not hide that another is due.
func TestObserveKeepsOthersOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &witness{}
		m := mustNew(t, []check.Check{guarded(10 * time.Second), every(40*time.Second, "a", well)}, lockstep, w)
		stop := begin(t, m)
		time.Sleep(25 * time.Second)
		if err := m.Observe(check.Result{Check: "ruleset", Status: check.OK}); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(since(start, w.of("a"))), "[0s 40s]"; got != want {
			t.Errorf("a ran at %s, want %s", got, want)
		}
	})
}
