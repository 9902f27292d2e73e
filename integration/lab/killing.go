package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Kill ends every process of the daemon by SIGKILL, so that none can do anything any more, and says how many there were. It
// returns when none is left.
func (s *Sallyport) Kill(ctx context.Context) (int, error) {
	var killed []int
	err := Until(ctx, "the end of Sallyport", func() error {
		pids, err := s.processes()
		if err != nil || len(pids) == 0 {
			return err
		}
		// The youngest first: the supervisor's end would let its children end in order.
		for _, pid := range slices.Backward(pids) {
			if err := unix.Kill(pid, unix.SIGKILL); err == nil && !slices.Contains(killed, pid) {
				killed = append(killed, pid)
			}
		}
		return fmt.Errorf("processes %v", pids)
	})
	if err != nil {
		return len(killed), err
	}
	select {
	case <-s.daemon.Ended():
	case <-ctx.Done():
		return len(killed), fmt.Errorf("the end of Sallyport: %w", context.Cause(ctx))
	}
	return len(killed), bury(ctx, killed)
}

// bury waits until the killed orphans have ended for good, with what they held open, and not only begun to. They are
// process 1's by then, which this is.
func bury(ctx context.Context, pids []int) error {
	return Until(ctx, "the end of Sallyport's processes", func() error {
		for _, pid := range pids {
			// Anything but 0 and no error is an end: ECHILD, where it was not ours to bury or is buried already.
			if got, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); got == 0 && err == nil {
				return fmt.Errorf("process %d is ending", pid)
			}
		}
		return nil
	})
}

// processes are the daemon's, in this PID namespace's numbers, the oldest first.
func (s *Sallyport) processes() ([]int, error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range lines {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has just ended
		}
		args := bytes.Split(raw, []byte{0})
		if len(args) < 2 || string(args[1]) != "run" || !bytes.Contains(raw, []byte(s.File+"\x00")) {
			continue
		}
		pid, err := insidePID(filepath.Join(filepath.Dir(file), "status"))
		if err != nil {
			return nil, err
		}
		if pid != 0 {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// insidePID is the number of a process in its own PID namespace (proc_pid_status(5), NSpid), which is the lab's; 0 where it
// has ended. The /proc may be another's, with other numbers.
func insidePID(status string) (int, error) {
	raw, err := os.ReadFile(status)
	if err != nil {
		return 0, nil //nolint:nilerr // it has ended
	}
	for line := range strings.Lines(string(raw)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			return strconv.Atoi(fields[len(fields)-1])
		}
	}
	return 0, fmt.Errorf("%s has no NSpid", status)
}
