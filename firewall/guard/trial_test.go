package guard_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// onTrial puts the test into a fresh namespace with a guard that has begun a trial.
func onTrial(t *testing.T, within time.Duration) (*guard.Guard, *kernel.Conn, guard.Trial) {
	t.Helper()
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	if err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), true); err != nil {
		t.Fatal(err)
	}
	trial, err := g.Begin(t.Context(), ruleset(t, "10.30.0.0/24"), "digest", within)
	if err != nil {
		t.Fatal(err)
	}
	return g, live, trial
}

// holds wants the live table to be exactly what one ruleset alone gives.
func holds(t *testing.T, live *kernel.Conn, want firewall.Ruleset) {
	t.Helper()
	golden, err := kernel.Golden(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := live.Dump(t.Context()); err != nil || !got.Equal(golden) {
		t.Errorf("%v; the table is another:\n%s", err, firewall.Diff(want, got.Ruleset()))
	}
}

func says(t *testing.T, r check.Result, status check.Status, cause check.Cause, words ...string) guard.Evidence {
	t.Helper()
	if r.Status != status || r.Cause != cause {
		t.Fatalf("%v %s: %s; want %v %s", r.Status, r.Cause, r.Detail, status, cause)
	}
	for _, word := range words {
		if !strings.Contains(r.Detail+" -> "+r.Remedy, word) {
			t.Errorf("%s -> %s: want %q", r.Detail, r.Remedy, word)
		}
	}
	evidence, _ := r.Evidence.(guard.Evidence)
	return evidence
}

// TestTrialConfirmed holds what is told of a trial, and that a confirmed candidate is the one ruleset.
func TestTrialConfirmed(t *testing.T) {
	g, live, trial := onTrial(t, time.Minute)
	if trial.Digest != "digest" || trial.Left > time.Minute || trial.Left < 50*time.Second {
		t.Errorf("%+v", trial)
	}
	report := g.Look(t.Context())
	e := says(t, report.Result, check.Warn, check.FirewallTrial, " s left", "`sallyport confirm`", "`sallyport rollback`")
	if e.Trial == nil || e.Trial.SecondsLeft > 60 || e.Trial.SecondsLeft < 50 || e.Trial.Digest != "digest" ||
		time.Until(e.Trial.Deadline) > 61*time.Second || report.Trial == nil {
		t.Errorf("%+v, %+v", e.Trial, report.Trial)
	}
	if _, err := g.Begin(t.Context(), ruleset(t, "10.40.0.0/24"), "", time.Minute); !errors.Is(err, guard.ErrTrialRuns) {
		t.Errorf("a second trial: %v", err)
	}
	if err := g.Put(t.Context(), ruleset(t, "10.40.0.0/24"), true); !errors.Is(err, guard.ErrTrialRuns) {
		t.Errorf("another ruleset meanwhile: %v", err)
	}
	if err := g.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, live, ruleset(t, "10.30.0.0/24"))
	if e := says(t, g.Look(t.Context()).Result, check.OK, ""); e.Trial != nil || e.RolledBack != nil {
		t.Errorf("%+v", e)
	}
	for _, end := range []func(context.Context) error{g.Confirm, g.Rollback} {
		if err := end(t.Context()); !errors.Is(err, guard.ErrNoTrial) {
			t.Errorf("none runs: %v", err)
		}
	}
}

// TestTrialTakenBack holds that the former ruleset is put back, and that it is said until something else is put in force.
func TestTrialTakenBack(t *testing.T) {
	g, live, _ := onTrial(t, time.Minute)
	if err := g.Know(t.Context(), firewall.Policy{Ping: true}, firewall.Policy{}); err != nil {
		t.Fatal(err)
	}
	if err := g.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := g.Admitting(); len(got) != 1 || got[0].Ping {
		t.Errorf("%+v say who may be connected, want the former policy alone", got)
	}
	holds(t, live, ruleset(t, "10.20.0.0/24"))
	for range 2 {
		report := g.Look(t.Context())
		e := says(t, report.Result, check.Warn, check.FirewallRolledBack, guard.TakenBack, "`sallyport apply`")
		if e.RolledBack == nil || e.RolledBack.Hash != ruleset(t, "10.30.0.0/24").PolicyHash() || report.Repairs != 0 {
			t.Errorf("%+v, %d repairs", e.RolledBack, report.Repairs)
		}
	}
	var over *guard.RolledBackError
	if err := g.Confirm(t.Context()); !errors.As(err, &over) || !errors.Is(err, guard.ErrNoTrial) {
		t.Errorf("confirm after it: %v", err)
	}
	if err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), true); err != nil {
		t.Fatal(err)
	}
	says(t, g.Look(t.Context()).Result, check.OK, "")
}

// TestTrialExpires holds that a guard that runs sees the kernel's deadline pass, cleans up, and counts down before.
func TestTrialExpires(t *testing.T) {
	w := inForce(t)
	if _, err := w.guard.Begin(t.Context(), ruleset(t, "10.30.0.0/24"), "", 1500*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	var lefts []string
	for {
		report := w.next(t, 3*time.Second)
		if report.Trial == nil {
			says(t, report.Result, check.Warn, check.FirewallRolledBack, guard.Expired)
			break
		}
		lefts = append(lefts, fmt.Sprint(report.Trial.Left.Round(100*time.Millisecond)))
	}
	if len(lefts) < 2 {
		t.Errorf("told of %v left", lefts)
	}
	holds(t, w.live.Conn, w.want)
}

// TestTrialThatNobodyWatched holds that a guard whose looks come late takes the kernel's word, for confirm too.
func TestTrialThatNobodyWatched(t *testing.T) {
	for name, end := range map[string]func(*guard.Guard, context.Context) error{
		"confirm": (*guard.Guard).Confirm, "rollback": (*guard.Guard).Rollback,
	} {
		g, live, trial := onTrial(t, 200*time.Millisecond)
		<-time.After(trial.Left + 20*time.Millisecond)
		var over *guard.RolledBackError
		if err := end(g, t.Context()); !errors.As(err, &over) || over.Reason != guard.Expired {
			t.Errorf("%s: %v", name, err)
		}
		holds(t, live, ruleset(t, "10.20.0.0/24"))
	}
}

// TestTrialIsRepaired changes the table while a trial runs: it is put back, with no more time than is left.
func TestTrialIsRepaired(t *testing.T) {
	for name, change := range map[string]struct {
		nft  []string
		says string
	}{
		"flush ruleset":   {[]string{"flush", "ruleset"}, "is not in the kernel"},
		"rule inserted":   {[]string{"insert", "rule", "inet", "sallyport", "try_inbound", "accept"}, "try_inbound"},
		"one for ever":    {[]string{"add", "element", "inet", "sallyport", "trial", "{ 7 }"}, "trial"},
		"one for longer":  {[]string{"add", "element", "inet", "sallyport", "trial", "{ 7 timeout 1h }"}, "longer than it"},
		"one family gone": {[]string{"delete", "element", "inet", "sallyport", "trial", "{ ipv6 }"}, "one of its two"},
	} {
		t.Run(name, func(t *testing.T) {
			g, live, trial := onTrial(t, time.Minute)
			nft(t, change.nft...)
			e := says(t, g.Look(t.Context()).Result, check.Warn, check.FirewallRepaired, change.says)
			if e.Trial == nil {
				t.Error("the result of the repair does not tell of the trial")
			}
			dump, err := live.Dump(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			inKernel, running := dump.Trial()
			if end := time.Now().Add(inKernel.Left); !running || !inKernel.Whole ||
				end.After(trial.Deadline.Add(100*time.Millisecond)) || end.Before(trial.Deadline.Add(-2*time.Second)) {
				t.Errorf("%+v: it ends %s after what was meant", inKernel, end.Sub(trial.Deadline))
			}
			says(t, g.Look(t.Context()).Result, check.Warn, check.FirewallTrial)
		})
	}
}

// TestTrialCutShort holds that who empties the set ends the trial, and that it is told so.
func TestTrialCutShort(t *testing.T) {
	g, live, _ := onTrial(t, time.Minute)
	nft(t, "flush", "set", "inet", "sallyport", "trial")
	says(t, g.Look(t.Context()).Result, check.Warn, check.FirewallRolledBack, "taken out before their time")
	holds(t, live, ruleset(t, "10.20.0.0/24"))
}

// TestTrialOverWhileBroken holds that a table that is wrong when the trial ends is told as a repair.
func TestTrialOverWhileBroken(t *testing.T) {
	g, live, trial := onTrial(t, 200*time.Millisecond)
	nft(t, "flush", "ruleset")
	<-time.After(trial.Left)
	report := g.Look(t.Context())
	says(t, report.Result, check.Warn, check.FirewallRepaired, "is not in the kernel")
	if report.Repairs != 1 || report.RolledBack == nil {
		t.Errorf("%+v", report)
	}
	holds(t, live, ruleset(t, "10.20.0.0/24"))
	says(t, g.Look(t.Context()).Result, check.Warn, check.FirewallRolledBack)
}

// TestTrialOverNothing begins where no table was: what is gone back to is an open host.
func TestTrialOverNothing(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	begin := func() {
		t.Helper()
		if _, err := g.Begin(t.Context(), ruleset(t, "10.30.0.0/24"), "", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	says(t, g.Look(t.Context()).Result, check.Warn, check.FirewallTrial)
	if err := g.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := live.Dump(t.Context()); !errors.Is(err, kernel.ErrNoTable) {
		t.Errorf("the table is left: %v", err)
	}
	says(t, g.Look(t.Context()).Result, check.Fail, check.FirewallMissing, "nothing is in force", "host is open")
	nft(t, "add", "table", "inet", "sallyport")
	says(t, g.Look(t.Context()).Result, check.Fail, check.FirewallDrift, "this guard did not make", "apply --now")
	nft(t, "flush", "ruleset")
	begin()
	if err := g.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, live, ruleset(t, "10.30.0.0/24"))
	nft(t, "flush", "ruleset")
	says(t, g.Look(t.Context()).Result, check.Warn, check.FirewallRepaired)
}

// TestTrialOfAnObserver holds that a guard that only observes takes no table over that it does not keep.
func TestTrialOfAnObserver(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	if err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), false); err != nil {
		t.Fatal(err)
	}
	nft(t, "add", "table", "inet", "sallyport")
	if _, err := g.Begin(t.Context(), ruleset(t, "10.30.0.0/24"), "", time.Minute); err == nil ||
		!strings.Contains(err.Error(), "only watches it") {
		t.Errorf("%v", err)
	}
	nft(t, "flush", "ruleset")
	if _, err := g.Begin(t.Context(), ruleset(t, "10.30.0.0/24"), "", time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := g.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := live.Dump(t.Context()); !errors.Is(err, kernel.ErrNoTable) {
		t.Errorf("the table is left: %v", err)
	}
	says(t, g.Look(t.Context()).Result, check.Fail, check.FirewallMissing)
}

// TestTrialResumed has another guard go on with a trial: until the kernel's deadline, and never for longer than it was
// meant to last.
func TestTrialResumed(t *testing.T) {
	committed, candidate := ruleset(t, "10.20.0.0/24"), ruleset(t, "10.30.0.0/24")
	_, live, trial := onTrial(t, time.Minute)
	resumed := func(within time.Duration) (*guard.Guard, guard.Trial, error) {
		g := guard.New(live, slog.New(slog.DiscardHandler))
		got, err := g.Resume(t.Context(), &committed, candidate, "digest", within)
		return g, got, err
	}
	g, got, err := resumed(time.Minute)
	if err != nil || got.Deadline.After(trial.Deadline.Add(100*time.Millisecond)) || got.Left < 50*time.Second {
		t.Fatalf("%+v, %v; begun as %+v", got, err, trial)
	}
	report := g.Look(t.Context())
	says(t, report.Result, check.Warn, check.FirewallTrial)
	if report.Repairs != 0 {
		t.Error("going on with a trial counts as a repair")
	}
	if _, got, err := resumed(time.Second); err != nil || got.Left > time.Second {
		t.Errorf("of one that somebody prolonged: %+v, %v", got, err)
	}
	if _, err := guard.New(live, slog.New(slog.DiscardHandler)).
		Resume(t.Context(), &committed, committed, "", time.Minute); !errors.Is(err, guard.ErrNoTrial) {
		t.Errorf("of another candidate: %v", err)
	}
	if err := g.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, live, committed)
	if _, _, err := resumed(time.Minute); !errors.Is(err, guard.ErrNoTrial) {
		t.Errorf("when it is over: %v", err)
	}
}

// TestStay says of a trial that came to nothing before the guard was there.
func TestStay(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	past := guard.RolledBack{Hash: "sha256:1", At: time.Unix(1000, 0), Reason: guard.Expired}
	if err := g.Stay(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	says(t, g.Look(t.Context()).Result, check.Fail, check.FirewallMissing, "nothing is in force")
	if err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), true); err != nil {
		t.Fatal(err)
	}
	if err := g.Stay(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	says(t, g.Look(t.Context()).Result, check.Warn, check.FirewallRolledBack, "1970-01-01T00:16:40Z")
}
