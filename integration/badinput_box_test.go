package integration_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"sallyport/integration/lab"
)

const (
	// prompt is how long a command may take to say what is wrong, on a machine that is busy with other tests.
	prompt = 5 * time.Second
	// longestLine bounds a line on stderr, in bytes: nobody reads more.
	longestLine = 8192
	nobody      = 65534
)

// newBox is newWorld with embedded servers, which are there at once, and with a folder that everybody may enter.
func newBox(t *testing.T, settings lab.Settings) world {
	t.Helper()
	t.Parallel()
	return newBoxIn(t, settings, "")
}

// newBoxIn is newBox below a folder of the test's.
func newBoxIn(t *testing.T, settings lab.Settings, folder string) world {
	t.Helper()
	bin := binary(t, "sallyport")
	dir, err := os.MkdirTemp(folder, "sp-") //nolint:usetesting // t.TempDir has names too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(within(t, 20*time.Second), dir, lab.Embedded)
	if err != nil {
		t.Fatal(errors.Join(err, os.RemoveAll(dir)))
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := l.NewSallyport(bin, settings)
	if err != nil {
		t.Fatal(err)
	}
	return world{Lab: l, Sallyport: s, t: t}
}

// folder makes a folder for a configuration that a user may read, and a runtime folder that the user may write.
func (w world) folder(name string, uid int) string {
	w.t.Helper()
	dir := filepath.Join(w.Dir, name)
	for _, d := range []string{dir, filepath.Join(dir, "run"), filepath.Join(dir, "state")} {
		if err := errors.Join(os.Mkdir(d, 0o755), os.Chown(d, uid, uid)); err != nil {
			w.t.Fatal(err)
		}
	}
	return dir
}

// file writes a file that everybody may read, and returns its path.
func (w world) file(dir, name, content string) string {
	w.t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// shut is a configuration without checks: only these sources may reach TCP 22.
func shut(dir string, from ...string) string {
	return fmt.Sprintf("paths: {state: %[1]s/state, runtime: %[1]s/run}\nfirewall:\n  mode: enforce\n  ownership: watch\n"+
		"  management:\n    - {name: ssh, ports: [22/tcp], from: [%[2]s]}\n", dir, `"`+strings.Join(from, `", "`)+`"`)
}

// job is one run of the binary on the host, with what the lab's processes do not have: any user, any thread to start it
// from, and nobody who ends its children when it has ended. Its output goes to files, which end with nobody's end.
type job struct {
	cmd            *exec.Cmd
	stdout, stderr string // files
	began, end     time.Time
	ended          chan struct{} // closed when end is set
}

// start starts the binary in the host's network namespace. adjust may change the command, and the thread that it is
// called on, which starts the command and then ends.
func (w world) start(adjust func(*exec.Cmd) error, args ...string) *job {
	w.t.Helper()
	dir := w.t.TempDir()
	j := &job{stdout: filepath.Join(dir, "out"), stderr: filepath.Join(dir, "err"), ended: make(chan struct{})}
	j.cmd = exec.Command(w.Binary, args...)
	j.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := os.Create(j.stdout)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = stdout.Close() }()
	stderr, err := os.Create(j.stderr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = stderr.Close() }()
	j.cmd.Stdout, j.cmd.Stderr = stdout, stderr
	err = w.Host.Inside(func() error {
		if adjust != nil {
			if err := adjust(j.cmd); err != nil {
				return err
			}
		}
		j.began = time.Now()
		return j.cmd.Start()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(j.ended)
		_ = j.cmd.Wait() // its state says how it ended
		j.end = time.Now()
	}()
	w.t.Cleanup(func() {
		_ = syscall.Kill(-j.cmd.Process.Pid, syscall.SIGKILL) // its whole group; mostly nobody is left
		<-j.ended
	})
	return j
}

// signal sends a signal to the job alone.
func (j *job) signal(s syscall.Signal) { _ = j.cmd.Process.Signal(s) } // it fails only when it has ended

// said is what the job has written to stderr until now.
func (w world) said(j *job) string { return w.read(j.stderr) }

func (w world) read(path string) string {
	w.t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}

// outcome waits until the job has ended by itself.
func (w world) outcome(j *job, limit time.Duration) lab.Outcome {
	w.t.Helper()
	select {
	case <-j.ended:
	case <-within(w.t, limit).Done():
		w.t.Fatalf("%v has not ended within %s: %s", j.cmd.Args, limit, w.said(j))
	}
	return lab.Outcome{Stdout: w.read(j.stdout), Stderr: w.said(j), Code: j.cmd.ProcessState.ExitCode()}
}

// run runs the binary to its end.
func (w world) run(adjust func(*exec.Cmd) error, args ...string) lab.Outcome {
	w.t.Helper()
	return w.outcome(w.start(adjust, args...), prompt)
}

// asNobody has a command run by another user, who has no capability.
func asNobody(cmd *exec.Cmd) error {
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	return nil
}

// others skips a test where there are no other users: in a user namespace with one.
func others(t *testing.T) {
	t.Helper()
	if raw, err := os.ReadFile("/proc/self/uid_map"); err != nil || !strings.Contains(string(raw), "4294967295") {
		t.Skip("not root of this machine: there is no other user to become")
	}
}

// refuses wants a command to have ended as one does that could not do its work: with the exit code, and with one
// message for a person, which has the words.
func refuses(t *testing.T, got lab.Outcome, words ...string) {
	t.Helper()
	if got.Code != codeUnknown {
		t.Errorf("exit code %d, want %d", got.Code, codeUnknown)
	}
	readable(t, got.Stderr)
	if count := strings.Count("\n"+got.Stderr, "\nsallyport: "); count != 1 {
		t.Errorf("%d messages on stderr, want one: %s", count, got.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(got.Stderr, word) {
			t.Errorf("stderr does not say %q: %.1000s", word, got.Stderr)
		}
	}
}

// codeUnknown is the exit code of what could not tell.
const codeUnknown = 3

// readable wants a text to be fit for a person and a terminal.
func readable(t *testing.T, text string) {
	t.Helper()
	for _, word := range []string{"panic", "goroutine ", "runtime error", "%!", "<nil>", "context canceled"} {
		if strings.Contains(text, word) {
			t.Errorf("not for people (%q): %s", word, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > longestLine {
			t.Errorf("a line of %d bytes: %.100s…", len(line), line)
		}
		for _, r := range strings.TrimSuffix(line, "\n") {
			if !unicode.IsPrint(r) && r != '\t' {
				t.Errorf("%q is not printable: %q", r, line)
				break
			}
		}
	}
}

// unchanged runs f and wants the host's ruleset to be what it was.
func (w world) unchanged(what string, f func()) {
	w.t.Helper()
	before := w.rules()
	f()
	if after := w.rules(); after != before {
		w.t.Errorf("%s changed the ruleset, from:\n%s\nto:\n%s", what, before, after)
	}
}

// processes are those that name the folder on their command line, by their number, with the arguments.
func processes(t *testing.T, folder string) map[int]string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	found := map[int]string{}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(line), folder) {
			continue // it has ended meanwhile, or is another's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
	}
	return found
}
