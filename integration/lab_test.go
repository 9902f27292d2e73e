package integration_test

import (
	"bufio"
	"fmt"
	"io"
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
			runLab(t, nil, nil, "--servers", string(kind))
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
	runLab(t, &syscall.Credential{Uid: nobody, Gid: nobody}, nil)
}

// TestLabWithoutPrograms runs it where no program is found: what others do to the table it then does itself.
func TestLabWithoutPrograms(t *testing.T) {
	t.Parallel()
	runLab(t, nil, []string{"PATH="})
}

// TestLabLeavesNothing ends it in the middle, gently and not, and looks for what is left: files and processes. Late in the
// story Sallyport's own processes are killed, and its table is a trial's.
func TestLabLeavesNothing(t *testing.T) {
	const early, late = "With Sallyport", "A mistake"
	for _, c := range []struct {
		signal syscall.Signal
		when   string
	}{{syscall.SIGINT, early}, {syscall.SIGTERM, early}, {syscall.SIGKILL, early}, {syscall.SIGINT, late}} {
		signal := c.signal
		t.Run(signal.String()+" "+c.when, func(t *testing.T) {
			t.Parallel()
			program, temporary := binary(t, "sallyport-lab"), shortDir(t)
			cmd := exec.CommandContext(within(t, time.Minute), program)
			cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for lines := bufio.NewScanner(stdout); lines.Scan() && !strings.HasPrefix(lines.Text(), c.when); {
				continue
			}
			if left := leftovers(t, temporary); len(left) < 3 {
				t.Errorf("in the middle there should be processes and a folder, but there is only %v", left)
			}
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			said, _ := io.ReadAll(stdout) // it ends when the lab does
			_ = cmd.Wait()
			err = lab.Until(within(t, 20*time.Second), "the end", func() error {
				if left := leftovers(t, temporary); len(left) > 0 {
					return fmt.Errorf("it leaves %q behind", left)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if code := cmd.ProcessState.ExitCode(); signal != syscall.SIGKILL && code != 3 {
				t.Errorf("exit code %d, want 3: %s", code, said)
			}
		})
	}
}

// leftovers is what is in the folder, and which processes name it on their command line.
func leftovers(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), folder) {
			left = append(left, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return left
}

// runLab runs it to its end, as another user where as is one, and with more of an environment.
func runLab(t *testing.T, as *syscall.Credential, env []string, args ...string) {
	t.Helper()
	program := binary(t, "sallyport-lab")
	temporary := shortDir(t)
	if err := os.Chmod(temporary, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t, time.Minute), program, args...)
	cmd.Env = append(append(os.Environ(), "TMPDIR="+temporary), env...)
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
	// Root can show everything where everything is installed, on the kernels that the project is developed on.
	less := strings.Contains(string(out), "could not be shown")
	if full := os.Getenv("SALLYPORT_TEST_FULL") == "1"; full && as == nil && less {
		t.Errorf("not everything is shown:\n%s", out)
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind (%v)", left, err)
	}
}
