package integration_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sallyport/check"
)

const (
	onceRuns      = 960 // by values of this process, each as new as a process's
	onceProcesses = 40  // by the binary
	onceAtATime   = 8
)

// testOnce holds that a wrong password costs the account one bad-password count in 1,000 runs, each of which knows no more
// than a process that has just started, eight at a time; and that the right one is tried at once when it comes.
func testOnce(t *testing.T, d *domain) {
	a := d.account(t, "once", badPassword)
	bin, configuration := binary(t, "sallyport"), a.configuration(t, 636)
	causes := newCauses()
	began := time.Now()
	causes.run(t, onceProcesses/2, func() string { return a.ofProcess(t, bin, configuration) })
	processes := time.Since(began)
	causes.run(t, onceRuns, func() string { return string(a.run(t).Cause) })
	causes.run(t, onceProcesses/2, func() string { return a.ofProcess(t, bin, configuration) })
	t.Logf("%v in %s, the first %d processes in %s", causes.of, time.Since(began), onceProcesses/2, processes)
	if causes.of["ldap.bad-password"] != 1 || causes.of["ldap.not-retried"] != onceRuns+onceProcesses-1 {
		t.Errorf("causes %v; want one refusal, and all others held back", causes.of)
	}
	if got := d.count(t, "once"); got != "1" {
		t.Errorf("%s bad passwords are counted, want 1", got)
	}
	a.write(t, goodPassword)
	if out := a.ofProcess(t, bin, configuration); out != "ok" {
		t.Errorf("the right password: %s; want ok", out)
	}
	if got := d.count(t, "once"); got != "0" {
		t.Errorf("%s bad passwords are counted after a bind, want 0", got)
	}
	a.write(t, badPassword)
	for _, want := range []string{"ldap.bad-password", "ldap.not-retried"} {
		if got := a.ofProcess(t, bin, configuration); got != want {
			t.Errorf("the wrong one again: %s, want %s", got, want)
		}
	}
	if got := a.ofProcess(t, bin, configuration, "--retry-refused"); got != "ldap.bad-password" {
		t.Errorf("released: %s, want one more refusal", got)
	}
	if got := d.count(t, "once"); got != "2" {
		t.Errorf("%s bad passwords are counted, want 2: one for the password, and one that was asked for", got)
	}
}

// causes counts what runs end with.
type causes struct {
	mu sync.Mutex
	of map[string]int
}

func newCauses() *causes { return &causes{of: map[string]int{}} }

// run has so many runs, several at a time.
func (c *causes) run(t *testing.T, runs int, one func() string) {
	t.Helper()
	var group sync.WaitGroup
	left := make(chan struct{}, runs)
	for range runs {
		left <- struct{}{}
	}
	close(left)
	for range onceAtATime {
		group.Go(func() {
			for range left {
				cause := one()
				c.mu.Lock()
				c.of[cause]++
				c.mu.Unlock()
			}
		})
	}
	group.Wait()
}

// ofProcess is the cause that a process found, or ok, or what it printed.
func (a account) ofProcess(t *testing.T, bin, configuration string, args ...string) string {
	t.Helper()
	out, err := a.process(within(t, 20*time.Second), bin, configuration, args...)
	var told struct{ Status, Cause string }
	if err != nil || json.Unmarshal([]byte(out), &told) != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return cmp.Or(told.Cause, told.Status)
}

// testKilled kills processes with a wrong password after ever longer times, wherever they are then: never are two counted.
func testKilled(t *testing.T, d *domain) {
	a := d.account(t, "killed", badPassword)
	bin, configuration := binary(t, "sallyport"), a.configuration(t, 636)
	for after := range 24 {
		cmd := exec.CommandContext(within(t, 20*time.Second), bin, "check", "--config", configuration)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(after)*5*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // by the signal, mostly
		timer.Stop()
	}
	_ = a.ofProcess(t, bin, configuration)
	if got := d.count(t, "killed"); got != "0" && got != "1" {
		t.Errorf("%s bad passwords are counted in 25 runs, want at most 1", got)
	}
}

// testKilledUnanswered kills a process whose password the controller has, and whose answer it never gets.
func testKilledUnanswered(t *testing.T, d *domain) {
	a := d.account(t, "relayed", badPassword)
	bin := binary(t, "sallyport")
	marked := func() bool {
		files, err := filepath.Glob(filepath.Join(a.dir, "state", "memory", "refused-*.json"))
		if err != nil || len(files) != 1 {
			return false
		}
		text, err := os.ReadFile(files[0])
		return err == nil && strings.Contains(string(text), `"trying"`)
	}
	relay := newRelay(t, "127.0.0.1:636", marked)
	configuration := a.configuration(t, relay.port)
	cmd := exec.CommandContext(within(t, 20*time.Second), bin, "check", "--config", configuration)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the controller counts", func() bool { return d.count(t, "relayed") == "1" })
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit := (*exec.ExitError)(nil); !errors.As(cmd.Wait(), &exit) || exit.Exited() {
		t.Fatalf("it was not killed while it waited: %v", exit)
	}
	if !marked() {
		t.Error("the mark is gone")
	}
	relay.open.Store(true)
	for range 5 {
		if got := a.ofProcess(t, bin, configuration); got != string(check.LDAPNotRetried) {
			t.Errorf("after it was killed: %s, want ldap.not-retried", got)
		}
	}
	if got := d.count(t, "relayed"); got != "1" {
		t.Errorf("%s bad passwords are counted, want 1", got)
	}
}

// testFullDisk has room for the folder, and none for a file: no password is sent that cannot be written down.
func testFullDisk(t *testing.T, d *domain) {
	a := d.account(t, "reader", badPassword)
	a.dir = disk(t, "size=64k,nr_inodes=64")
	a.write(t, badPassword)
	if err := os.Mkdir(filepath.Join(a.dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	fill(t, a.dir)
	r := a.run(t)
	if r.Cause != check.LDAPNotRetried || !strings.Contains(r.Detail, "no space left") ||
		!strings.Contains(r.Remedy, "paths.state") {
		t.Errorf("got %q: %s; %s", r.Cause, r.Detail, r.Remedy)
	}
	if got := d.count(t, "reader"); got != "0" {
		t.Errorf("%s bad passwords are counted, want none", got)
	}
}
