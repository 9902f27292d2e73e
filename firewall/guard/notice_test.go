package guard

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/firewall/kernel"
)

func TestNotices(t *testing.T) {
	n := newNotices()
	woken := func() bool {
		select {
		case <-n.wake:
			return n.due()
		default:
			return n.due()
		}
	}
	by := func(generation uint32) kernel.Change { return kernel.Change{Generation: generation, Command: "nft"} }
	if woken() {
		t.Error("due before anything was told")
	}
	n.cover(10)
	n.add(by(10))
	n.add(by(9))
	if woken() {
		t.Error("what was covered is due")
	}
	n.add(by(11))
	n.add(by(12))
	if first := woken(); !first || !woken() {
		t.Error("what was not covered is not due")
	}
	if led := n.upTo(11); len(led) != 1 || led[0].author.Command != "nft" {
		t.Errorf("led to 11: %+v", led)
	}
	n.cover(11)
	if led := n.upTo(20); !woken() || len(led) != 1 || led[0].change.Generation != 12 {
		t.Errorf("after 11: %+v", led)
	}
	n.cover(0) // a look that could not read
	if !woken() {
		t.Error("a look that read nothing has covered something")
	}
	n.cover(12)
	n.add(kernel.Change{})
	if !woken() || woken() {
		t.Error("missed changes are to be due once")
	}
}

// TestNoticedAuthorIsLookedUp holds that who changed the table is not called gone where the look is sooner than the first
// look-up.
func TestNoticedAuthorIsLookedUp(t *testing.T) {
	living := exec.CommandContext(t.Context(), "sleep", "60")
	if err := living.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(living.Process.Kill(), living.Wait()) })
	n := newNotices()
	n.remember(kernel.Change{Generation: 1, Thread: living.Process.Pid, Command: "sleep"})
	if led := n.upTo(1); len(led) != 1 || led[0].author.UID == nil {
		t.Errorf("%+v", led)
	}
}

// TestNoticesAreBounded holds that a flood takes no more room, and is not forgotten either.
func TestNoticesAreBounded(t *testing.T) {
	n := newNotices()
	for i := range uint32(10 * maxNoticed) {
		n.add(kernel.Change{Generation: i + 1})
	}
	if got := len(n.upTo(1 << 30)); got != maxNoticed {
		t.Errorf("%d remembered, want %d", got, maxNoticed)
	}
	n.cover(maxNoticed)
	if !n.due() {
		t.Error("what there was no room for is forgotten")
	}
}

func TestGenerationsWrapAround(t *testing.T) {
	for _, test := range []struct {
		a, b uint32
		want bool
	}{{2, 1, true}, {1, 1, false}, {1, 2, false}, {1, 1<<32 - 1, true}, {1<<32 - 1, 1, false}, {7, 0, true}} {
		if got := later(test.a, test.b); got != test.want {
			t.Errorf("later(%d, %d) is %v", test.a, test.b, got)
		}
	}
}

func TestAllowance(t *testing.T) {
	now := time.Unix(1000, 0)
	a := newAllowance(now)
	if rest := a.rest(now); rest != 0 {
		t.Errorf("at first: %s", rest)
	}
	a.spend(allowanceSaved+10*time.Millisecond, now)
	if rest := a.rest(now); rest != 100*time.Millisecond {
		t.Errorf("10 ms too much: %s, want ten times that", rest)
	}
	if rest := a.rest(now.Add(40 * time.Millisecond)); rest != 60*time.Millisecond {
		t.Errorf("40 ms later: %s", rest)
	}
	a.spend(time.Hour, now.Add(time.Second))
	if rest := a.rest(now.Add(time.Second)); rest != maxRest {
		t.Errorf("after a slow look: %s, want %s", rest, maxRest)
	}
	now = now.Add(time.Hour)
	a.spend(allowanceSaved, now)
	if rest := a.rest(now.Add(time.Nanosecond)); rest != 0 {
		t.Errorf("after an hour: %s", rest)
	}
}

func writeProcess(t *testing.T, proc, pid string, files map[string]string) {
	t.Helper()
	dir := filepath.Join(proc, pid)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuthorOf(t *testing.T) {
	proc := t.TempDir()
	writeProcess(t, proc, "12", map[string]string{
		"comm": "nft\n", "cmdline": "nft\x00flush\x00ruleset\x00", "status": "Name:\tnft\nTgid:\t11\nUid:\t1000\t0\t0\t0\n",
	})
	writeProcess(t, proc, "15", map[string]string{
		"comm": "nft\n", "cmdline": "nft\x00", "status": "Tgid:\t15\nUid:\t0\t0\t0\t0\n",
		"cgroup": "0::/system.slice/nftables.service\n",
	})
	writeProcess(t, proc, "16", map[string]string{
		"comm": "nft\n", "cmdline": "nft\", uid 0, cron.service)\x00", "status": "Tgid:\t16\nUid:\t1000\t0\t0\t0\n",
	})
	writeProcess(t, proc, "13", map[string]string{
		"comm": "a\x1b[2J\n", "cmdline": strings.Repeat("\n\u202e", 5000), "status": "Tgid:\tx\n",
	})
	for name, test := range map[string]struct {
		change kernel.Change
		want   string
	}{
		"a thread":  {kernel.Change{Thread: 12, Command: "nft"}, `"nft" (pid 11: "nft flush ruleset", uid 1000)`},
		"of a unit": {kernel.Change{Thread: 15, Command: "nft"}, `"nft" (pid 15: "nft", uid 0, nftables.service)`},
		"another's name": {
			kernel.Change{Thread: 16, Command: "nft"}, `"nft" (pid 16: "nft\", uid 0, cron.service)", uid 1000)`,
		},
		"gone":            {kernel.Change{Thread: 14, Command: "nft"}, `"nft" (pid 14, gone already)`},
		"another by then": {kernel.Change{Thread: 12, Command: "iptables"}, `"iptables" (pid 12, gone already)`},
	} {
		if got := authorOf(proc, test.change).String(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	hostile := authorOf(proc, kernel.Change{Thread: 13, Command: "a\x1b[2J"}).String()
	if len(hostile) > 2*authorText || strings.ContainsFunc(hostile, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("hostile: %q", hostile)
	}
}

// TestOursIsThisProcess holds that a thread is ours only by its number and its name.
func TestOursIsThisProcess(t *testing.T) {
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	us := kernel.Change{Thread: os.Getpid(), Command: strings.TrimSuffix(string(name), "\n")}
	if !ours(us) {
		t.Errorf("%+v is not ours", us)
	}
	for _, c := range []kernel.Change{
		{Thread: us.Thread, Command: "nft"}, {Thread: 1, Command: us.Command}, {Command: us.Command},
	} {
		if ours(c) {
			t.Errorf("%+v is ours", c)
		}
	}
}

// deaf is a kernel that takes no time, cannot say, and tells of changes as it is bidden.
type deaf struct {
	slow
	changes []kernel.Change
}

func (d *deaf) Watch() (func(context.Context, func(kernel.Change)) error, error) {
	return func(_ context.Context, changed func(kernel.Change)) error {
		for _, c := range d.changes {
			changed(c)
		}
		return errors.New("broken")
	}, nil
}

// counts is a handler that counts lines.
type counts struct {
	slog.Handler
	lines *atomic.Int32
}

func (counts) Enabled(context.Context, slog.Level) bool { return true }

func (c counts) Handle(context.Context, slog.Record) error {
	c.lines.Add(1)
	return nil
}

// TestRunGoesOnWithoutNotifications holds that a kernel that tells nothing, or stops telling, is told of once, and that the
// guard goes on looking.
func TestRunGoesOnWithoutNotifications(t *testing.T) {
	for name, live := range map[string]Kernel{"none": &slow{}, "no more": &deaf{}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lines, reports := new(atomic.Int32), 0
				g := New(live, slog.New(counts{slog.DiscardHandler, lines}))
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Second)
				defer cancel()
				if err := g.Run(ctx, func(Report) { reports++ }); err != nil {
					t.Error(err)
				}
				const tries = 6 // to be told again, each after twice the time, with a look where it failed
				if lines.Load() != 1 || reports < 31 || reports > 31+tries {
					t.Errorf("%d lines and %d reports in a minute, want 1 and 31, or %d more", lines.Load(), reports, tries)
				}
			})
		})
	}
}

// TestRunLooksAgainAtWhatItCouldNotRead holds that a change that cannot be read is looked at again and again, neither
// forgotten nor in a frenzy.
func TestRunLooksAgainAtWhatItCouldNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &deaf{changes: []kernel.Change{{Generation: 5}}}
		g := New(live, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := g.Run(ctx, func(Report) {}); err != nil {
			t.Error(err)
		}
		if n := len(live.looks); n < 90 || n > 110 {
			t.Errorf("%d looks in ten seconds, want about one in %s", n, unreadable)
		}
		if !slices.IsSortedFunc(live.looks, time.Time.Compare) {
			t.Error("looks out of order")
		}
	})
}
