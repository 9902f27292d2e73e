package guard_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// counted is the kernel, and counts what the guard asks of it.
type counted struct {
	*kernel.Conn
	looks atomic.Int64
	spent atomic.Int64 // nanoseconds, in looks and repairs
}

func (c *counted) Dump(ctx context.Context) (kernel.Dump, error) {
	c.looks.Add(1)
	defer c.spend(time.Now())
	return c.Conn.Dump(ctx)
}

func (c *counted) Repair(ctx context.Context, r firewall.Ruleset, live, golden kernel.Dump) (kernel.Dump, error) {
	defer c.spend(time.Now())
	return c.Conn.Repair(ctx, r, live, golden)
}

func (c *counted) spend(began time.Time) { c.spent.Add(int64(time.Since(began))) }

// watched is a guard that runs in a namespace of the test's own.
type watched struct {
	guard   *guard.Guard
	live    *counted
	want    firewall.Ruleset
	reports chan guard.Report
}

// inForce puts the test into a fresh namespace, with a guard that runs there until the test ends.
func inForce(t testing.TB) *watched {
	t.Helper()
	w := &watched{
		live: &counted{Conn: inNamespace(t)}, want: ruleset(t, "10.20.0.0/24"),
		reports: make(chan guard.Report, 100_000),
	}
	w.guard = guard.New(w.live, slog.New(slog.DiscardHandler))
	w.put(t)
	inBackground(t, func(ctx context.Context) error {
		return w.guard.Run(ctx, func(r guard.Report) { w.reports <- r })
	})
	if r := w.next(t, time.Second).Result; r.Status != check.OK {
		t.Fatalf("at first: %v %s: %s", r.Status, r.Cause, r.Detail)
	}
	return w
}

// inBackground runs f in the namespace of the test's thread until the test ends, and waits for it.
func inBackground(t testing.TB, f func(context.Context) error) {
	t.Helper()
	namespace, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = f(ctx)
		}
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = namespace.Close()
	})
}

func (w *watched) put(t testing.TB) {
	t.Helper()
	if err := w.guard.Put(t.Context(), w.want, true); err != nil {
		t.Fatal(err)
	}
}

func (w *watched) next(t testing.TB, within time.Duration) guard.Report {
	t.Helper()
	select {
	case r := <-w.reports:
		return r
	case <-time.After(within):
		t.Fatalf("nothing is told within %s", within)
		return guard.Report{}
	}
}

// repaired waits for the next repair. It is shorter than the guard's own interval, so that only a notification will do.
func (w *watched) repaired(t testing.TB) check.Result {
	t.Helper()
	return w.repairedWithin(t, 1500*time.Millisecond)
}

func (w *watched) repairedWithin(t testing.TB, within time.Duration) check.Result {
	t.Helper()
	for until := time.Now().Add(within); ; {
		r := w.next(t, time.Until(until)).Result
		if r.Cause == check.FirewallRepaired || r.Cause == check.FirewallContended {
			return r
		}
	}
}

func TestGuardRepairsAtOnce(t *testing.T) {
	for name, change := range changes(t, ruleset(t, "10.20.0.0/24")) {
		t.Run(name, func(t *testing.T) {
			w := inForce(t)
			nft(t, change.nft...)
			r := w.repaired(t)
			if !strings.Contains(r.Detail, change.says) || !strings.Contains(r.Detail, `; changed by "nft" (pid `) {
				t.Errorf("detail: %s", r.Detail)
			}
			e, ok := r.Evidence.(guard.Evidence)
			if !ok || e.By == nil || e.By.Command != "nft" || e.By.PID == 0 || e.Exposed <= 0 || e.Exposed > 250 {
				t.Errorf("evidence: %+v", r.Evidence)
			}
			if r := w.guard.Look(t.Context()); r.Result.Status != check.OK || r.Repairs != 1 {
				t.Errorf("after %d repairs: %v %s", r.Repairs, r.Result.Status, r.Result.Detail)
			}
		})
	}
}

// TestGuardNamesWhoHoldsOn changes the table by a process that stays, so that all of it can be told.
func TestGuardNamesWhoHoldsOn(t *testing.T) {
	w := inForce(t)
	staying(t)()
	r := w.repaired(t)
	want := fmt.Sprintf(`; changed by "nft" \(pid \d+: "nft -i", uid %d(, [ -~]+)?\)$`, os.Getuid())
	if !regexp.MustCompile(want).MatchString(r.Detail) {
		t.Errorf("%s\nwant it to match %s", r.Detail, want)
	}
}

// TestRepairTime measures how long the host is open at each of 200 flushes: between the kernel's word of the flush and its
// word of the repair, as a third party hears them. The flushes come in rounds, each to a guard that has seen no fight.
func TestRepairTime(t *testing.T) {
	for name, flusher := range map[string]func(testing.TB) func(){
		"nft that ends":  ending,
		"nft that stays": staying,
	} {
		t.Run(name, func(t *testing.T) {
			// A machine that is busy with other tests makes the looks so long that the guard saves on them, as in a fight:
			// then it is measured again.
			for range 2 {
				if quickRepair(t, flusher) {
					return
				}
			}
			if !quickRepair(t, flusher) {
				t.Error("three times in a row")
			}
		})
	}
}

// quickRepair says whether the time of the repairs is within its bounds.
func quickRepair(t *testing.T, flusher func(testing.TB) func()) bool {
	t.Helper()
	const rounds, flushes = 10, 20
	var open []time.Duration
	for range rounds {
		t.Run("", func(t *testing.T) {
			w := inForce(t)
			open = append(open, openTimes(t, w, flushes, flusher(t))...)
		})
	}
	if len(open) != rounds*flushes {
		t.Fatalf("%d repairs of %d flushes", len(open), rounds*flushes)
	}
	slices.Sort(open)
	median, p99 := open[len(open)/2], open[len(open)*99/100]
	t.Logf("repair time over %d flushes: median %s, p99 %s, max %s", len(open), median, p99, open[len(open)-1])
	// On a quiet machine the median is below 2 ms: BenchmarkRepair. The bounds are for one on which other tests run.
	return median <= 10*time.Millisecond && p99 <= 200*time.Millisecond
}

// ending is an nft for each flush, which ends at once.
func ending(t testing.TB) func() { return func() { nft(t, "flush", "ruleset") } }

// staying starts an nft that ends with the test, and returns what makes it flush.
func staying(t testing.TB) func() {
	t.Helper()
	stays := exec.CommandContext(t.Context(), "nft", "-i")
	stdin, err := stays.StdinPipe()
	if err == nil {
		err = stays.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stays.Wait() }) // killed by the context
	return func() {
		if _, err := fmt.Fprintln(stdin, "flush ruleset"); err != nil {
			t.Fatal(err)
		}
	}
}

// openTimes is how long the table was gone at each of so many flushes.
func openTimes(t testing.TB, w *watched, flushes int, flush func()) (open []time.Duration) {
	t.Helper()
	type commit struct {
		kernel.Change
		at time.Time
	}
	heard := make(chan commit, 10_000)
	follow, err := w.live.Watch()
	if err != nil {
		t.Fatal(err)
	}
	inBackground(t, func(ctx context.Context) error {
		return follow(ctx, func(c kernel.Change) { heard <- commit{c, time.Now()} })
	})
	for i := range flushes {
		flush()
		e, _ := w.repairedWithin(t, patience).Evidence.(guard.Evidence)
		if e.By == nil || e.By.Command != "nft" {
			t.Errorf("flush %d is by %+v", i, e.By)
		}
		flushed := next(t, heard)
		for flushed.Command != "nft" { // a look that wrote again what a sentry had put back just before: no gap
			flushed = next(t, heard)
		}
		mended := next(t, heard)
		if mended.Generation != flushed.Generation+1 || mended.Command == "nft" {
			t.Fatalf("%+v, then %+v; want a flush and its repair", flushed, mended)
		}
		// Whoever repairs may be quicker than the third party hears of either.
		told := time.Duration(e.Exposed * float64(time.Millisecond))
		open = append(open, max(told, mended.at.Sub(flushed.at)))
	}
	if r := w.guard.Look(t.Context()); r.Repairs != uint64(flushes) {
		t.Errorf("%d repairs of %d flushes", r.Repairs, flushes)
	}
	return open
}

// patience is how long what must come is waited for on a busy machine.
const patience = 10 * time.Second

// next is what comes next.
func next[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing comes within %s", patience)
		panic("not reached")
	}
}

// TestGuardDoesNotRepairItself holds that neither its own repair nor the changes of others' tables make it write, and that
// its own make it not even look.
func TestGuardDoesNotRepairItself(t *testing.T) {
	w := inForce(t)
	nft(t, "flush", "ruleset")
	w.repaired(t)
	before := w.live.looks.Load()
	select {
	case r := <-w.reports:
		t.Errorf("told within a second of the repair: %v %s", r.Result.Status, r.Result.Detail)
	case <-time.After(time.Second):
	}
	if looks := w.live.looks.Load() - before; looks != 0 {
		t.Errorf("%d looks at its own repair", looks)
	}
	const changes = 100
	for range changes / 2 {
		nft(t, "add", "table", "ip", "others")
		nft(t, "delete", "table", "ip", "others")
	}
	report := w.guard.Look(t.Context())
	if report.Repairs != 1 || report.Result.Status != check.OK {
		t.Errorf("%d repairs, want 1: %s", report.Repairs, report.Result.Detail)
	}
	looks := w.live.looks.Load() - before
	t.Logf("%d looks at %d changes of others", looks, changes)
	if looks > changes+5 {
		t.Errorf("%d looks at %d changes of others", looks, changes)
	}
}

// TestFight lets another program flush as fast as it can: the guard speaks up, bounds its share, and never gives up.
func TestFight(t *testing.T) {
	w := inForce(t)
	before, began := time.Duration(w.live.spent.Load()), time.Now()
	const flushes = 400
	script := strings.Repeat("nft flush ruleset\n", flushes)
	if out, err := exec.CommandContext(t.Context(), "sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	took, spent := time.Since(began), time.Duration(w.live.spent.Load())-before
	repairs, told, contended := uint64(0), len(w.reports), check.Result{}
	for len(w.reports) > 0 {
		r := <-w.reports
		if repairs = r.Repairs; r.Result.Cause == check.FirewallContended {
			contended = r.Result
		}
	}
	t.Logf("%d flushes in %s: %d reports, %d repairs, %s spent", flushes, took, told, repairs, spent)
	if told < 3 {
		t.Errorf("%d reports: the guard has given up", told)
	}
	if !strings.Contains(contended.Detail, `changed by "nft" (pid `) {
		t.Errorf("no contention told, or not by whom: %s", contended.Detail)
	}
	const saved, last = 500 * time.Millisecond, 300 * time.Millisecond
	if most := saved + took/10 + last; spent > most {
		t.Errorf("%s spent of %s, want at most %s", spent, took, most)
	}
	own, err := kernel.Open() // the guard's is for one at a time
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.Close() }()
	for until := time.Now().Add(2 * time.Second); ; {
		_, err := own.Dump(t.Context())
		if err == nil {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("after the fight: %v", err)
		}
	}
	if r := w.guard.Look(t.Context()).Result; r.Status != check.OK {
		t.Errorf("after the fight: %v %s", r.Status, r.Detail)
	}
}
