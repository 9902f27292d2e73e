package integration_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// TestLabCommand runs sallyport-lab to its end: every expectation that it states must hold.
func TestLabCommand(t *testing.T) {
	for _, kind := range []lab.Kind{lab.Embedded, lab.Real} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			if kind == lab.Real {
				need(t, "unbound", "nginx", "slapd", "slapadd")
			}
			runLab(t, nil, "--servers", string(kind))
		})
	}
}

// TestLabWithoutRoot runs it as nobody, in a user namespace.
func TestLabWithoutRoot(t *testing.T) {
	t.Parallel()
	if raw, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(raw), "4294967295") {
		t.Skip("not root of this machine: there is no other user to become")
	}
	const nobody = 65534
	runLab(t, &syscall.Credential{Uid: nobody, Gid: nobody})
}

func runLab(t *testing.T, as *syscall.Credential, args ...string) {
	t.Helper()
	program := binary(t, "sallyport-lab")
	temporary := t.TempDir()
	for _, dir := range []string{temporary, filepath.Dir(temporary)} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(within(t, time.Minute), program, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if !strings.Contains(string(out), "expectations held") || strings.Contains(string(out), "\x1b") {
		t.Errorf("no summary, or colour without a terminal:\n%s", out)
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind (%v)", left, err)
	}
}
