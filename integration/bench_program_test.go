package integration_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/integration/lab"
)

// maxAnswer bounds what is read of an answer over HTTP.
const maxAnswer = 4 << 20

// program is a process that serves its metrics.
type program struct {
	pid     int
	address string // host:port, where it listens
}

// startProgram starts one and waits until it answers. It ends with the benchmark.
func startProgram(b *testing.B, dir, address, name string, args ...string) program {
	b.Helper()
	said, err := os.CreateTemp(dir, filepath.Base(name)+"-*.log")
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = benchLimit
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Wait() // it was told to end
		_ = said.Close()
	})
	p := program{cmd.Process.Pid, address}
	ctx, cancel := context.WithTimeout(b.Context(), benchLimit)
	defer cancel()
	err = lab.Until(ctx, name, func() error {
		_, err := p.get(ctx, http.DefaultClient, "/metrics")
		return err
	})
	if err != nil {
		words, _ := os.ReadFile(said.Name())
		b.Fatalf("%v; it said:\n%s", err, words)
	}
	return p
}

// get is the body of an answer that is OK.
func (p program) get(ctx context.Context, client *http.Client, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s: %s", p.address, path, response.Status)
	}
	return string(body), err
}

// processorTime is what the process has used so far, its own and the kernel's for it: its clock of the kind
// CPUCLOCK_SCHED, as clock_getcpuclockid(3) makes its number, which is as exact as the scheduler.
func (p program) processorTime(b *testing.B) time.Duration {
	b.Helper()
	const cpuclockSched = 2
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^p.pid<<3|cpuclockSched), &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Nano())
}
