package netcheck

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/netcheck/resolver"
)

func needProgram(t *testing.T, name string) string { t.Helper(); return dnsrig.NeedProgram(t, name) }

func cannot(t *testing.T, why string) { t.Helper(); dnsrig.Cannot(t, why) }

// needRoot is cannot for an error of a call that only root may make.
func needRoot(t *testing.T, err error) {
	t.Helper()
	cannot(t, "not permitted: "+err.Error())
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	dnsrig.Eventually(t, what, condition)
}

func freePort(t *testing.T) int { t.Helper(); return int(dnsrig.FreePort(t).Port()) }

func local(port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))
}

// at are servers at addresses, by UDP.
func at(addresses ...netip.AddrPort) []resolver.Server {
	servers := make([]resolver.Server, 0, len(addresses))
	for _, a := range addresses {
		servers = append(servers, resolver.At(a))
	}
	return servers
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withTimeout is the test's context with a deadline.
func withTimeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// inTime is the result of a run that must end within a deadline and 100 ms more.
func inTime(t *testing.T, deadline time.Duration, run func(context.Context) check.Result) check.Result {
	t.Helper()
	var r check.Result
	if late := overdue(deadline, func(ctx context.Context) { r = run(ctx) }); late > 0 {
		t.Errorf("%s later than %s and 100 ms", late, deadline)
	}
	return r
}

// overdue runs something that is to end within a deadline, and says by how much it was later than that and 100 ms more:
// more than four times what the machine, where it is busy, is late itself to wake who waits.
func overdue(deadline time.Duration, run func(ctx context.Context)) time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	done, told := make(chan struct{}), make(chan time.Duration)
	go func() { told <- lag(done) }()
	began := time.Now()
	run(ctx)
	took := time.Since(began)
	close(done)
	const grace = 100 * time.Millisecond
	return max(took-deadline-grace-4*<-told, 0)
}

// lag is the longest that somebody who waits a few milliseconds is woken late, until done is closed.
func lag(done <-chan struct{}) (worst time.Duration) {
	const wait = 5 * time.Millisecond
	alarm := time.NewTimer(wait)
	defer alarm.Stop()
	for began := time.Now(); ; began = time.Now() {
		select {
		case <-done:
			return max(worst, time.Since(began)-wait)
		case <-alarm.C:
			worst = max(worst, time.Since(began)-wait)
			alarm.Reset(wait)
		}
	}
}
