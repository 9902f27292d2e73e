package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/monitor"
)

const (
	restartFirst   = 200 * time.Millisecond
	restartLongest = 30 * time.Second
	settled        = time.Minute      // a process that ran so long starts anew with the first wait
	stopTimeout    = 3 * time.Second  // from SIGTERM to SIGKILL
	self           = "/proc/self/exe" // this very binary, even if its file was replaced meanwhile
)

// supervise starts the processes that the configuration needs, keeps them, and hands SIGHUP on. It ends when the context
// does, or when a process cannot begin at all.
func supervise(ctx context.Context, opts *options, log *slog.Logger) error {
	conf, err := opts.load()
	if err != nil {
		return err
	}
	list, err := roles(conf)
	if err != nil {
		return err
	}
	sayNotices(conf, log)
	group, ctx := errgroup.WithContext(ctx)
	r := &reloader{opts: opts, log: log}
	r.hold(conf, opts.text)
	for i, role := range list {
		vital := i == 0 // the guard, where there is one: no trouble of a report may keep the host open
		group.Go(func() error { return keep(ctx, r, role, vital, log.With("child", role)) })
	}
	group.Go(func() error { return onHangup(ctx, func() { r.reload(ctx) }) })
	return group.Wait()
}

// keep runs the process of a role again and again until the context ends. That a vital one exits with "could not tell" the
// first time means that the daemon cannot begin: its own words say why, and starting it again would not help.
func keep(ctx context.Context, r *reloader, role string, vital bool, log *slog.Logger) error {
	retry := monitor.NewRetry(restartFirst, restartLongest)
	for first := true; ; first = false {
		began := time.Now()
		err := runChild(ctx, r, role)
		if ctx.Err() != nil {
			return nil
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == codeUnknown && first && vital {
			return verdictError(codeUnknown)
		}
		if time.Since(began) > settled {
			retry.Reset()
		}
		select {
		case <-ctx.Done():
			return nil // what ended the child has reached this process too, a little later
		case <-time.After(retry.Next()):
		}
		log.Error("ended, and is started again", "err", err)
	}
}

// runChild runs the process of a role until it ends, or ends it when the context does: by SIGTERM, then by SIGKILL. The
// kernel ends it as well when this process dies (prctl(2), PR_SET_PDEATHSIG), which counts the thread that forked as its
// parent: hence the lock.
func runChild(ctx context.Context, r *reloader, role string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	args := []string{"run", "--only", role, "--config", r.opts.file, "--" + flagHanded}
	if r.opts.noManagement {
		args = append(args, "--no-management")
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // this very binary, with arguments made here
	cmd.Args[0] = "sallyport"                      // what ps shows
	cmd.Stdin = bytes.NewReader(r.held())
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	// A process group of its own: what a terminal sends to all of its group (Ctrl-C) must not end the child first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	return cmd.Run()
}
