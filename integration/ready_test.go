package integration_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// manager is a service manager's side of sd_notify(3).
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{t: t, path: filepath.Join(shortDir(t), "notify")}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.conn.Close() })
	return m
}

func (m *manager) asks(cmd *exec.Cmd) error {
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.path)
	return nil
}

// hears is the next word, empty where none comes in time.
func (m *manager) hears(limit time.Duration) string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		m.t.Fatal(err)
	}
	word := make([]byte, 1024)
	n, err := m.conn.Read(word)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		m.t.Fatal(err)
	}
	return string(word[:n])
}

// TestReadyWhenItGuards holds that the daemon, and each of its processes by itself, say that they are ready, when what they
// are there for is done, and that they are about to end.
func TestReadyWhenItGuards(t *testing.T) {
	w := newBox(t, lab.Settings{})
	for _, role := range [][]string{nil, {"--only", "guard"}, {"--only", "probe"}} {
		m := newManager(t)
		j := w.start(m.asks, append([]string{"run", "--here", "--config", w.File}, role...)...)
		if word := m.hears(10 * time.Second); word != "READY=1" {
			t.Errorf("%v: the first word is %q", role, word)
		}
		if len(role) == 0 || role[1] == "guard" {
			w.must(0, "plan") // the ruleset is in force
		}
		if len(role) == 0 {
			if got, err := w.Command(within(t, prompt), "status"); err != nil || got.Stdout == "" {
				t.Errorf("ready, and does not answer: %v: %s", err, got.Stderr)
			}
		}
		if err := j.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if word := m.hears(10 * time.Second); word != "STOPPING=1" {
			t.Errorf("%v: the last word is %q", role, word)
		}
		w.outcome(j, 10*time.Second)
	}
}

// TestNeverReadyElsewhere holds that in another network namespace than PID 1's the daemon works, and says neither that it
// is ready nor that all is well.
func TestNeverReadyElsewhere(t *testing.T) {
	if _, err := os.Readlink("/proc/1/ns/net"); err != nil {
		t.Skipf("the first process's namespace is not shown here: %v", err)
	}
	w := newBox(t, lab.Settings{})
	m := newManager(t)
	j := w.start(m.asks, "run", "--config", w.File)
	_, err := w.untilStatus(j, func(r lab.Report) error {
		return errors.Join(lab.Has("sallyport", "fail", "firewall.missing")(r), lab.Has("firewall", "ok", "")(r))
	})
	if err != nil {
		t.Fatal(err)
	}
	if word := m.hears(300 * time.Millisecond); word != "" {
		t.Errorf("it says %q", word)
	}
	if said := w.said(j); !strings.Contains(said, "level=ERROR") || !strings.Contains(said, "give --here") {
		t.Errorf("it does not name --here: %s", said)
	}
	got := w.must(2, "status")
	if !strings.Contains(got.Stdout, "run --here") {
		t.Errorf("the status does not name --here: %s", got.Stdout)
	}
}
