package kernel

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrNoNamespace says that this process may not make a network namespace: it lacks CAP_SYS_ADMIN, or a sandbox forbids it
// (RestrictNamespaces=, seccomp, user.max_net_namespaces).
var ErrNoNamespace = errors.New("cannot make a network namespace")

// InNamespace runs f in a network namespace of its own that nothing else is in, and that is gone, with all rules and
// interfaces in it, when f has returned. Its loopback interface is down. The namespace is that of f's thread: sockets that
// f opens are in it, goroutines that f starts are not, unless they are given such a socket or lock a thread and enter
// it. The error is ErrNoNamespace where the namespace cannot be made, and that of f.
func InNamespace(ctx context.Context, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the runtime ends a thread whose goroutine ends locked, and with it the namespace. A thread that
		// went back to the pool would take other goroutines' sockets into the wrong namespace.
		runtime.LockOSThread()
		finished := false
		defer func() {
			if !finished { // f has called runtime.Goexit, as t.FailNow does
				done <- errors.New("the function in the namespace did not return")
			}
		}()
		err := unshareNetwork()
		if err == nil {
			err = f(ctx)
		}
		finished = true
		done <- err
	}()
	return <-done
}

func unshareNetwork() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("%w: unshare: %w", ErrNoNamespace, err)
	}
	return nil
}
