package guard_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/internal/kerneltest"
	"sallyport/firewall/kernel"
)

// inNamespace puts the test into a fresh network namespace, on a thread that ends with it.
func inNamespace(t testing.TB) *kernel.Conn {
	t.Helper()
	kerneltest.NewNamespace(t)
	live, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	live.SetOwnership(kernel.OwnershipWatch) // so that nft may change the table
	t.Cleanup(func() { _ = live.Close() })
	return live
}

// unprepared ends a test that needs what is not there: as a failure where everything is meant to be there.
func unprepared(t testing.TB, format string, args ...any) {
	t.Helper()
	kerneltest.Unprepared(t, format, args...)
}

func nft(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "nft", args...).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func ruleset(t testing.TB, from string) firewall.Ruleset {
	t.Helper()
	r, err := firewall.Compile(firewall.Policy{Ping: true, Management: []firewall.Exception{{
		Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
		From: []netip.Prefix{netip.MustParsePrefix(from)},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// edit is a change by nft, and what the guard must say of it.
type edit struct {
	nft  []string
	says string
}

// changes are the ways in which somebody might change the table.
func changes(t *testing.T, want firewall.Ruleset) map[string]edit {
	t.Helper()
	set := want.Sets[firstInterval(t, want)].Name
	return map[string]edit{
		"flush ruleset": {[]string{"flush", "ruleset"}, "is not in the kernel"},
		"delete table":  {[]string{"delete", "table", "inet", "sallyport"}, "is not in the kernel"},
		"insert rule":   {[]string{"insert", "rule", "inet", "sallyport", "input", "accept"}, "accept"},
		"flush chain":   {[]string{"flush", "chain", "inet", "sallyport", "input"}, "lacks"},
		"policy accept": {[]string{"chain", "inet", "sallyport", "input", "{ policy accept; }"}, "policy"},
		"dormant":       {[]string{"add", "table", "inet", "sallyport", "{ flags dormant; }"}, "dormant"},
		"element added": {[]string{"add", "element", "inet", "sallyport", set, "{ 192.0.2.0/24 }"}, "192.0.2.0/24"},
		"element taken": {[]string{"delete", "element", "inet", "sallyport", set, "{ 10.20.0.0/24 }"}, "10.20.0.0/24"},
		"set added":     {[]string{"add", "set", "inet", "sallyport", "mine", "{ type ipv4_addr; }"}, "mine"},
		"base chain added": {
			[]string{"add", "chain", "inet", "sallyport", "mine", "{ type filter hook input priority -400; }"}, "mine",
		},
	}
}

// TestGuardRepairs changes the table in every way, and holds what the guard makes of it when it only looks.
func TestGuardRepairs(t *testing.T) {
	want := ruleset(t, "10.20.0.0/24")
	for name, change := range changes(t, want) {
		t.Run(name, func(t *testing.T) {
			live := inNamespace(t)
			g := guard.New(live, slog.New(slog.DiscardHandler))
			if err := g.Put(t.Context(), want, true); err != nil {
				t.Fatal(err)
			}
			if r := g.Look(t.Context()).Result; r.Status != check.OK {
				t.Fatalf("after Put: %v %s: %s", r.Status, r.Cause, r.Detail)
			}
			nft(t, change.nft...)
			report := g.Look(t.Context())
			r := report.Result
			if r.Status != check.Warn || r.Cause != check.FirewallRepaired || !strings.Contains(r.Detail, change.says) {
				t.Errorf("%v %s: %s; want a repair that says %q", r.Status, r.Cause, r.Detail, change.says)
			}
			e, ok := r.Evidence.(guard.Evidence)
			if !ok || e.By != nil || e.Exposed <= 0 || !strings.HasPrefix(r.Detail, "put back after at most ") {
				t.Errorf("%s, %+v; want the time since the last look, and nobody named", r.Detail, r.Evidence)
			}
			if report.Repairs != 1 {
				t.Errorf("%d repairs", report.Repairs)
			}
			if r := g.Look(t.Context()).Result; r.Status != check.OK {
				t.Errorf("after the repair: %v %s: %s", r.Status, r.Cause, r.Detail)
			}
		})
	}
}

func firstInterval(t *testing.T, r firewall.Ruleset) int {
	t.Helper()
	for i, s := range r.Sets {
		if s.Interval && len(s.Elements) > 0 {
			return i
		}
	}
	t.Fatal("the ruleset has no set of sources")
	return 0
}

func TestGuardThatObservesNeverWrites(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	if err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), false); err != nil {
		t.Fatal(err)
	}
	if r := g.Look(t.Context()).Result; r.Status != check.Fail || r.Cause != check.FirewallMissing {
		t.Errorf("%v %s, want firewall.missing", r.Status, r.Cause)
	}
	if _, err := live.Dump(t.Context()); !errors.Is(err, kernel.ErrNoTable) {
		t.Errorf("a guard that observes has written: %v", err)
	}
}

func TestGuardSpeaksUpWhenContended(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	if err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), true); err != nil {
		t.Fatal(err)
	}
	var causes []string
	for range 3 {
		nft(t, "flush", "ruleset")
		r := g.Look(t.Context()).Result
		causes = append(causes, fmt.Sprintf("%v %s", r.Status, r.Cause))
	}
	const want = "warn firewall.repaired, warn firewall.repaired, fail firewall.contended"
	if got := strings.Join(causes, ", "); got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestPutReplacesWhatWasThere(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	for _, from := range []string{"10.20.0.0/24", "10.30.0.0/24"} {
		if err := g.Put(t.Context(), ruleset(t, from), true); err != nil {
			t.Fatal(err)
		}
		got, err := live.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if drift := firewall.Diff(ruleset(t, from), got); !drift.Empty() {
			t.Errorf("live is not what was put:\n%s", drift)
		}
	}
}

func TestVerifyWithoutRights(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread loses its capabilities for good
	golden, err := kernel.Golden(t.Context(), ruleset(t, "10.20.0.0/24"))
	if err != nil {
		t.Skipf("no rehearsal here: %v", err)
	}
	data := [2]unix.CapUserData{}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	live, err := kernel.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = live.Close() }()
	r := guard.Verify(t.Context(), live, ruleset(t, "10.20.0.0/24"), golden)
	if r.Status != check.Unknown || r.Cause != check.FirewallNotPermitted || !strings.Contains(r.Remedy, "CAP_NET_ADMIN") {
		t.Errorf("%v %s: %s -> %s", r.Status, r.Cause, r.Detail, r.Remedy)
	}
}
