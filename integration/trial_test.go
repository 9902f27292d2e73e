package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/integration/lab"
)

const forStranger = `[{name: web, ports: [8080/tcp], from: [10.77.0.66/32, "fd77::66/128"]}]`

// wider writes a configuration that lets the stranger in too, by TCP 8080.
func (w world) wider() {
	w.t.Helper()
	if err := w.Write(w.Configuration(lab.Settings{Allow: forStranger})); err != nil {
		w.t.Fatal(err)
	}
}

// former writes the configuration from before.
func (w world) former() {
	w.t.Helper()
	if err := w.Write(w.Configuration(lab.Settings{})); err != nil {
		w.t.Fatal(err)
	}
}

// untilExpired waits until the kernel has let a trial expire.
func (w world) untilExpired() {
	w.t.Helper()
	err := lab.Until(within(w.t, 10*time.Second), "the end of the trial", func() error {
		if set := w.nft("list", "set", "inet", "sallyport", "trial"); strings.Contains(set, "expires") {
			return fmt.Errorf("still on trial: %s", set)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w world) getIn(want ...string) {
	w.t.Helper()
	if got := w.knocks(); !slices.Equal(got, both(want...)) {
		w.t.Errorf("who gets in: %v\nwant: %v", got, both(want...))
	}
}

// trialEvidence is what a status says of a trial, read as anybody outside would read it.
type trialEvidence struct {
	Results []struct {
		Check    string
		Evidence struct {
			Trial *struct {
				SecondsLeft float64 `json:"seconds_left"`
				Deadline    time.Time
				Digest      string
			}
		}
	}
}

// TestTrialOutlivesSallyport kills every process of Sallyport in a trial: the kernel alone goes back to the ruleset from
// before. A guard that starts then cleans up and says so, and does not try it again.
func TestTrialOutlivesSallyport(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.daemon()
	before := w.rules()
	w.getIn("admin tcp22")
	w.wider()
	w.must(0, "apply", "--confirm-within", "3s")
	for _, pid := range []int{w.Daemon().Pid(), w.child("guard"), w.child("probe")} {
		w.kill(pid)
	}
	w.getIn("admin tcp22", "stranger tcp8080")
	w.must(1, "verify") // the trial alone is warned of: who reaches what listens is as the configuration says
	w.untilExpired()
	w.getIn("admin tcp22")
	if got := w.must(3, "verify"); !strings.Contains(got.Stdout, "the live ruleset is not the compiled one") {
		t.Errorf("verify says after the trial:\n%s", got.Stdout)
	}
	if left := processes(t, w.File); len(left) > 0 {
		t.Errorf("the kernel was not alone: %v", left)
	}
	if err := w.Run(); err != nil {
		t.Fatal(err)
	}
	w.await(lab.Has("firewall", "warn", "firewall.rolled-back"))
	if after := w.rules(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	w.getIn("admin tcp22")
	if got := w.must(2, "confirm"); !strings.Contains(got.Stdout, "rolled back at ") {
		t.Errorf("confirm says %q", got.Stdout)
	}
	if err := w.Reload(); err != nil { // of what was tried in vain
		t.Fatal(err)
	}
	w.await(lab.Has("configuration", "warn", "config.rejected"))
	if said := w.Daemon().Output(); !strings.Contains(said, "try it again with `sallyport apply`") {
		t.Errorf("the reload does not name the way: %s", said)
	}
	w.former()
	if err := w.Reload(); err != nil {
		t.Fatal(err)
	}
	w.await(lab.AllOK)
}

// TestTrialWithAGuard goes through a trial that a guard keeps: it is shown with the time left, goes on over the guard's own
// end, refuses another, and ends either way.
func TestTrialWithAGuard(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.daemon()
	w.wider()
	got := w.must(0, "apply", "--confirm-within", "1h")
	for _, word := range []string{"by the running guard", "`sallyport confirm` within 3600 s"} {
		if !strings.Contains(got.Stdout, word) {
			t.Errorf("apply says %q", got.Stdout)
		}
	}
	w.await(lab.Has("firewall", "warn", "firewall.trial"))
	first := w.left()
	w.kill(w.child("guard"))
	err := lab.Until(within(t, 20*time.Second), "less time", func() error {
		if now := w.left(); now == 0 || now > first-2 {
			return fmt.Errorf("%v s left, %v before", now, first)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if text := w.must(1, "status").Stdout; !strings.Contains(text, " s left, then the ruleset from before judges again") {
		t.Errorf("status says %s", text)
	}
	w.getIn("admin tcp22", "stranger tcp8080")
	refuses(t, w.must(3, "apply"), "a trial is running")
	refuses(t, w.must(3, "apply", "--now"), "a trial is running")
	w.must(0, "confirm")
	w.await(lab.AllOK)
	w.getIn("admin tcp22", "stranger tcp8080")
	refuses(t, w.must(3, "confirm"), "no trial is running")
	w.kill(w.child("guard")) // whose text of the configuration is older than what was confirmed
	w.await(func(r lab.Report) error {
		if w.child("guard") == 0 {
			return fmt.Errorf("no guard")
		}
		return lab.AllOK(r)
	})
	w.must(0, "verify")
	w.getIn("admin tcp22", "stranger tcp8080")
	w.former()
	w.must(0, "apply")
	w.must(0, "rollback")
	w.await(lab.Has("firewall", "warn", "firewall.rolled-back"))
	w.getIn("admin tcp22", "stranger tcp8080")
	w.must(0, "apply")
	w.must(0, "confirm")
	w.await(lab.AllOK)
	w.getIn("admin tcp22")
}

// left is the seconds that the status says are left of a trial, 0 where it says none.
func (w world) left() float64 {
	w.t.Helper()
	got, err := w.Command(within(w.t, 10*time.Second), "status", "-o", "json")
	if err != nil {
		w.t.Fatal(err)
	}
	var said trialEvidence
	if err := json.Unmarshal([]byte(got.Stdout), &said); err != nil {
		return 0 // the daemon is not there yet
	}
	for _, r := range said.Results {
		if r.Check == "firewall" && r.Evidence.Trial != nil && r.Evidence.Trial.Digest != "" {
			return r.Evidence.Trial.SecondsLeft
		}
	}
	return 0
}

// TestTrialsRace has two begin a trial at once, with a guard and without: one does, the other is refused.
func TestTrialsRace(t *testing.T) {
	for _, guarded := range []bool{true, false} {
		t.Run(fmt.Sprintf("guarded %v", guarded), func(t *testing.T) {
			w := newBox(t, lab.Settings{})
			if guarded {
				w.daemon()
			} else {
				w.must(0, "apply", "--now")
			}
			w.wider()
			a := w.start(nil, "apply", "--config", w.File)
			b := w.start(nil, "apply", "--config", w.File)
			codes := []int{w.outcome(a, prompt).Code, w.outcome(b, prompt).Code}
			slices.Sort(codes)
			if !slices.Equal(codes, []int{0, codeUnknown}) {
				t.Errorf("exit codes %v: %s%s", codes, w.said(a), w.said(b))
			}
			w.must(0, "confirm")
			w.must(0, "verify")
		})
	}
}

// TestTrialIsRecordedFirst holds that where nothing can be recorded, no trial begins and nothing is written; an apply
// without one says so and goes on, for an open host is worse.
func TestTrialIsRecordedFirst(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.must(0, "apply", "--now")
	state := filepath.Join(w.Dir, "sallyport", "state")
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state, nil, 0o600); err != nil { // not a folder: root writes to any
		t.Fatal(err)
	}
	w.wider()
	w.unchanged("a trial that cannot be recorded", func() {
		refuses(t, w.must(3, "apply"), "record what is in force", "set paths.state")
	})
	refuses(t, w.must(3, "confirm"), "whether a trial runs cannot be told")
	got := w.must(0, "apply", "--now")
	if !strings.Contains(got.Stderr, "a later start will not know of it") {
		t.Errorf("apply --now does not say that it cannot be recorded: %s", got.Stderr)
	}
	w.must(0, "verify")
}

// TestDamagedRecord holds that a record that is no good is said, set aside, and in nobody's way.
func TestDamagedRecord(t *testing.T) {
	w := newBox(t, lab.Settings{})
	record := filepath.Join(w.Dir, "sallyport", "state", "ruleset.json")
	if err := os.WriteFile(record, []byte("{\"schema\": 1, \x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.daemon()
	if said := w.Daemon().Output(); !strings.Contains(said, "it was set aside as "+record+".bad") {
		t.Errorf("the daemon says %s", said)
	}
	if _, err := os.Stat(record + ".bad"); err != nil {
		t.Error(err)
	}
}

// TestGuardWithoutAConfiguration takes the configuration away: what was in force last is kept in force all the same, by
// `run`, by its guard alone, and by `apply --last` in the time that an early boot has.
func TestGuardWithoutAConfiguration(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.services()
	w.must(0, "apply", "--now")
	state := filepath.Join(w.Dir, "sallyport", "state")
	good := w.read(w.File)
	for name, spoil := range map[string]func() error{
		"gone": func() error { return os.Remove(w.File) },
		"bad":  func() error { return w.Write("firewall: {modus: enforce}\n") },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		w.nft("flush", "ruleset")
		if got := w.run(nil, "apply", "--last", "--config", w.File, "--state", state); got.Code != 0 {
			t.Fatalf("%s: %+v", name, got)
		}
		w.getIn("admin tcp22")
		w.nft("flush", "ruleset")
		m := newManager(t)
		j := w.start(m.asks, "run", "--here", "--config", w.File, "--state", state)
		err := lab.Until(within(t, 10*time.Second), "the guard", func() error {
			if said := w.said(j); !strings.Contains(said, "msg=guarding") || !strings.Contains(said, "config.rejected") {
				return fmt.Errorf("it says %s", said)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w.getIn("admin tcp22")
		if word := m.hears(10 * time.Second); word != "READY=1" {
			t.Errorf("%s: the first word is %q", name, word)
		}
		if err := w.Write(good); err != nil {
			t.Fatal(err)
		}
		j.signal(syscall.SIGHUP)
		if _, err := w.untilStatus(j, guarded); err != nil {
			t.Error(err)
		}
		j.signal(syscall.SIGTERM)
		w.outcome(j, 10*time.Second)
	}
}

// TestLastIsQuick holds that what an early boot has to wait for is soon done: 50 ms is the aim; ten times as much is
// allowed on a machine that is busy with other tests.
func TestLastIsQuick(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.must(0, "apply", "--now")
	best := time.Hour
	for range 5 {
		w.nft("flush", "ruleset")
		j := w.start(nil, "apply", "--last", "--config", w.File)
		if got := w.outcome(j, prompt); got.Code != 0 {
			t.Fatalf("%+v", got)
		}
		best = min(best, j.end.Sub(j.began))
	}
	t.Logf("from exec to the end of the process, the best of five: %s", best)
	if best > 500*time.Millisecond {
		t.Errorf("apply --last took %s", best)
	}
}

// TestRemove takes the table off, and refuses as long as a guard would put it back.
func TestRemove(t *testing.T) {
	w := newBox(t, lab.Settings{})
	w.daemon()
	w.unchanged("a refused removal", func() { refuses(t, w.must(3, "remove"), "a guard is running") })
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	w.must(0, "remove")
	if tables := w.nft("list", "tables"); tables != "" {
		t.Errorf("left: %s", tables)
	}
	refuses(t, w.must(3, "apply", "--last"), "tells of no ruleset")
}
