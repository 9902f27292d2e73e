package kernel

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

const (
	// rehearsalName is the name by which the program calls itself to rehearse.
	rehearsalName = "sallyport-rehearsal"
	// childLimit is for the whole of a rehearsal in a child; the child has no other clock.
	childLimit = 30 * time.Second
	// childStderr is how much of what a child complains of is kept, in bytes.
	childStderr = 4096
)

// Errand is what a child process can be sent to do with a ruleset, in a network namespace that is made for it and thrown
// away. The order says more about it, and the answer what came of it, in the errand's own form.
type Errand struct {
	Name string
	Do   func(ctx context.Context, r firewall.Ruleset, order []byte) (answer []byte, err error)
}

// golden is the errand of a rehearsal; its answer is a snapshot.
func golden() Errand {
	return Errand{Name: "golden", Do: func(ctx context.Context, r firewall.Ruleset, _ []byte) ([]byte, error) {
		s, err := applyAndRead(ctx, r)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = gob.NewEncoder(&b).Encode(s)
		return b.Bytes(), err
	}}
}

// RehearseMain turns the process into a child if Golden or InChild started it as one, and does not return then. A program
// that wants rehearsals without CAP_SYS_ADMIN calls it first thing in main, with the errands that it sends children on; a
// test binary, in TestMain. In any other process it does nothing.
//
// The child runs in a user and a network namespace of its own: it is root there and nobody elsewhere. It takes a ruleset
// and an order from its standard input and gives its answer to its standard output.
func RehearseMain(errands ...Errand) {
	if len(os.Args) == 0 || os.Args[0] != rehearsalName {
		return
	}
	// This is the main of the child.
	err := runErrand(context.Background(), append(errands, golden()), os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(childExit(err))
}

// childFailed is the exit code of a child that could rehearse, and whose rehearsal failed. Every other one says that the
// child could not: that of a program without RehearseMain, or of a kernel that makes user namespaces but gives them no
// rights (kernel.apparmor_restrict_unprivileged_userns).
const childFailed = 4

func childExit(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrNoNamespace), errors.Is(err, ErrNotPermitted):
		return 1
	default:
		return childFailed
	}
}

// request is what a child is told.
type request struct {
	Namespace string // the parent's network namespace: the child refuses to write to that one
	Errand    string
	Ruleset   firewall.Ruleset
	Order     []byte
}

// runErrand is the child.
func runErrand(ctx context.Context, errands []Errand, in io.Reader, out io.Writer) error {
	registerWire()
	var r request
	if err := gob.NewDecoder(io.LimitReader(in, dumpBytes)).Decode(&r); err != nil {
		return fmt.Errorf("read the ruleset: %w", err)
	}
	here, err := networkNamespace()
	if err != nil {
		return err
	}
	if here == r.Namespace || r.Namespace == "" {
		return fmt.Errorf("nothing was written: %w: the child is in its parent's", ErrNoNamespace)
	}
	i := slices.IndexFunc(errands, func(e Errand) bool { return e.Name == r.Errand })
	if i < 0 {
		return fmt.Errorf("nothing was written: the errand %q was not given to RehearseMain", r.Errand)
	}
	// On one thread: /proc/sys/net and every new socket are of the namespace of the thread that opens them.
	runtime.LockOSThread()
	ctx, cancel := context.WithTimeout(ctx, childLimit)
	defer cancel()
	answer, err := errands[i].Do(ctx, fromWire(r.Ruleset), r.Order)
	if err != nil {
		return err
	}
	_, err = out.Write(answer)
	return err
}

// networkNamespace names the network namespace of the calling thread.
func networkNamespace() (string, error) {
	// Not /proc/self, which is the main thread's.
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return "", err
	}
	return name, nil
}

// errNoChild says that a child could not rehearse either.
var errNoChild = errors.New("a child in a user namespace cannot either")

// InChild sends a child process of this program on an errand that its main gives to RehearseMain: in a network namespace
// of its own, as root of a user namespace of its own. It is for who may not make a namespace (InNamespace); the answer is
// the errand's. The errors are ErrNoNamespace where a child may not either, the context's, and the errand's as text.
func InChild(ctx context.Context, errand string, r firewall.Ruleset, order []byte) (answer []byte, err error) {
	answer, err = inChild(ctx, errand, r, order)
	if errors.Is(err, errNoChild) {
		return nil, fmt.Errorf("%w: %w", ErrNoNamespace, err)
	}
	return answer, err
}

// goldenChild has a child apply the ruleset, and returns what it read back.
func goldenChild(ctx context.Context, r firewall.Ruleset) (snapshot, error) {
	answer, err := inChild(ctx, golden().Name, r, nil)
	if err != nil {
		return snapshot{}, err
	}
	var s snapshot
	if err := gob.NewDecoder(bytes.NewReader(answer)).Decode(&s); err != nil {
		return snapshot{}, fmt.Errorf("%w: its answer (does main call RehearseMain?): %w", errNoChild, err)
	}
	return s, nil
}

func inChild(ctx context.Context, errand string, r firewall.Ruleset, order []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, childLimit)
	defer cancel()
	stdin, err := childRequest(errand, r, order)
	if err != nil {
		return nil, err
	}
	cmd := childCommand(ctx, os.Geteuid(), os.Getegid())
	stdout, stderr := &limitedBuffer{limit: dumpBytes}, &limitedBuffer{limit: childStderr}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoChild, err)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		said := strconv.QuoteToASCII(strings.TrimSpace(stderr.buffer.String()))
		if cmd.ProcessState.ExitCode() == childFailed {
			return nil, fmt.Errorf("in a child: %s", said)
		}
		return nil, fmt.Errorf("%w: %w: %s", errNoChild, err, said)
	}
	return stdout.buffer.Bytes(), nil
}

func childRequest(errand string, r firewall.Ruleset, order []byte) (*bytes.Buffer, error) {
	registerWire()
	here, err := networkNamespace()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoChild, err)
	}
	var b bytes.Buffer
	request := request{Namespace: here, Errand: errand, Ruleset: toWire(r), Order: order}
	if err := gob.NewEncoder(&b).Encode(request); err != nil {
		return nil, fmt.Errorf("write to a child: %w", err)
	}
	return &b, nil
}

// childCommand is this program itself, as root of a user namespace in which nobody else is anybody. Mapping one's own id is
// the one mapping that needs no privilege (user_namespaces(7)).
func childCommand(ctx context.Context, uid, gid int) *exec.Cmd {
	// By the link, not by the path: it leads to this very binary, also when an upgrade has put another one in its place.
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	// A test binary whose TestMain does not call RehearseMain would run its tests, this one too, without an end.
	cmd.Args = []string{rehearsalName, "-test.run=^$"}
	cmd.Env = []string{} // nil would be ours
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
		Pdeathsig:   unix.SIGKILL,
	}
	return cmd
}

// limitedBuffer keeps so many bytes and refuses the rest, which ends the copying from the child.
type limitedBuffer struct {
	buffer bytes.Buffer // not embedded: io.Copy would take its ReadFrom, which has no limit
	limit  int
}

var errTooMuch = errors.New("the child says too much")

// Write keeps the bytes if there is room for all of them.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.buffer.Len()+len(p) > b.limit {
		return 0, errTooMuch
	}
	return b.buffer.Write(p)
}
