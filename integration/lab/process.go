package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	patience  = 5 * time.Second // for a program to end after SIGTERM
	keptBytes = 1 << 20         // of a program's output
)

// Process is a program running in a node. It is killed when the node goes away, whatever the reason.
type Process struct {
	cmd    *exec.Cmd
	output *tail
	ended  chan struct{} // closed when the program has ended and err is set
	err    error
}

// Start starts a program in the node. Its output is kept for Output.
func (n *Node) Start(name string, args ...string) (*Process, error) {
	cmd := exec.Command(name, args...) //nolint:noctx // it lives until Stop
	p := &Process{cmd: cmd, output: &tail{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.WaitDelay = time.Second // for children of its that hold on to the output
	if err := n.start(p.cmd); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL) // what it may have left behind in its group; mostly nothing
	}()
	n.mu.Lock()
	n.processes = append(n.processes, p)
	n.mu.Unlock()
	return p, nil
}

// Outcome is how a program that was run to its end ended.
type Outcome struct {
	Stdout, Stderr string
	Code           int // the exit code; -1 when a signal ended it
}

// Run runs a program in the node to its end. An exit code other than 0 is no error. The program is killed when ctx ends.
func (n *Node) Run(ctx context.Context, name string, args ...string) (Outcome, error) {
	var stdout, stderr tail
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	if err := n.start(cmd); err != nil {
		return Outcome{Code: -1}, err
	}
	err := cmd.Wait()
	outcome := Outcome{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if ctx.Err() != nil {
		return outcome, fmt.Errorf("%s in %s: %w: %s", name, n.Name, context.Cause(ctx), stderr.String())
	}
	if err != nil && !errors.As(err, &exit) {
		return outcome, fmt.Errorf("%s in %s: %w", name, n.Name, err)
	}
	return outcome, nil
}

// start forks from the node's thread. The program gets a process group of its own, so that Ctrl-C in a terminal reaches
// the lab alone, which ends things in order.
func (n *Node) start(cmd *exec.Cmd) error {
	cmd.Env = slices.DeleteFunc(append(cmd.Environ(), "LC_ALL=C"), ofSession)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.held(cmd.Start); err != nil {
		return fmt.Errorf("starting %s in %s: %w", cmd.Path, n.Name, err)
	}
	return nil
}

// ofSession says whether a variable belongs to the session of the person who runs the lab, and says nothing in it: from
// where they are logged in, and which configuration is theirs.
func ofSession(variable string) bool {
	return strings.HasPrefix(variable, "SSH_") || strings.HasPrefix(variable, "SALLYPORT_")
}

// Signal sends a signal to the program.
func (p *Process) Signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// Pid is the program's process id as it sees it itself.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Output is what the program has written to stdout and stderr, the last of it if it was much.
func (p *Process) Output() string { return p.output.String() }

// Stop ends the program and waits: by SIGTERM, and its whole process group by SIGKILL after some seconds, which is an
// error. Stopping what has ended is none.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	_ = p.Signal(syscall.SIGTERM) // it fails only when the program has just ended
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
	}
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.ended
	return fmt.Errorf("%s did not end within %s of SIGTERM: %s", p.cmd.Path, patience, p.Output())
}

// tail keeps the last bytes that were written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n, err := t.buf.Write(b); err != nil {
		return n, err
	}
	if over := t.buf.Len() - keptBytes; over > 0 {
		t.buf.Next(over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
