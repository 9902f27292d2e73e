package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall/guard"
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
// does, or when a process cannot begin at all. Where the configuration is no good and a ruleset was in force before, the
// guard runs alone until a SIGHUP finds a good one.
func supervise(ctx context.Context, opts *options, log *slog.Logger) error {
	notify := newNotifier()
	if opts.elsewhere(log) {
		notify.mute()
	}
	conf, err := opts.load()
	if err != nil {
		if record, unread := (guard.Store{Dir: opts.state}).Peek(); unread != nil || record.Committed == nil {
			return err
		}
		log.Error("configuration rejected, what was in force last stays", "cause", check.ConfigRejected, "err", err)
		if conf, err = guardAlone(ctx, opts, log, notify); err != nil || conf == nil {
			return err
		}
	}
	list, err := roles(conf)
	if err != nil {
		return err
	}
	sayNotices(conf, log)
	defer notify.stopping()
	group, ctx := errgroup.WithContext(ctx)
	r := &reloader{opts: opts, log: log}
	r.hold(conf, opts.text)
	for i, role := range list {
		vital := i == 0 // the guard, where there is one: no trouble of a report may keep the host open
		group.Go(func() error { return keep(ctx, r, role, vital, log.With("child", role)) })
	}
	group.Go(func() error { return notifyReady(ctx, conf, notify) })
	group.Go(func() error {
		return onHangup(ctx, func() {
			defer notify.reloading()()
			r.reload(ctx)
		})
	})
	return group.Wait()
}

// guardAlone keeps a guard, which begins by the record, until a SIGHUP finds a good configuration, and returns that; nil
// when the context ends before. What the guard makes of the file by itself is its own: it reads less of it. It guards, so
// it is ready: a service manager that is not told ends what it has started (systemd.service(5), TimeoutStartSec=).
func guardAlone(ctx context.Context, opts *options, log *slog.Logger, notify *notifier) (conf *config.Config, _ error) {
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alone := &reloader{opts: opts, log: log}
	group.Go(func() error { return keep(ctx, alone, roleGuard, true, log.With("child", roleGuard)) })
	group.Go(func() error {
		awaitGuarded(ctx, filepath.Join(opts.places().runtime, control.GuardSocket))
		if ctx.Err() == nil {
			notify.ready()
		}
		return nil
	})
	group.Go(func() error {
		return onHangup(ctx, func() {
			defer notify.reloading()()
			good, err := opts.load()
			if err == nil {
				conf = good
				cancel()
				return
			}
			log.Error("configuration rejected, what was in force last stays", "cause", check.ConfigRejected, "err", err)
		})
	})
	return conf, group.Wait()
}

// notifyReady tells the service manager that the daemon is ready when the ruleset is in force and verified, where there is
// to be one, and the prober answers.
func notifyReady(ctx context.Context, conf *config.Config, notify *notifier) error {
	if notify.socket == "" {
		return nil
	}
	if conf.Firewall.Mode != config.Off {
		awaitGuarded(ctx, filepath.Join(conf.Paths.Runtime, control.GuardSocket))
	}
	retry := monitor.NewRetry(reconnectFirst, reconnectLongest)
	for ctx.Err() == nil {
		if _, err := askStatus(ctx, filepath.Join(conf.Paths.Runtime, control.ProbeSocket)); err == nil {
			notify.ready()
			return nil
		}
		rest(ctx, retry.Next())
	}
	return nil
}

// errGuards ends a stream of reports that has said what was waited for.
var errGuards = errors.New("it guards")

// awaitGuarded waits until the guard says that it found in force what is to be.
func awaitGuarded(ctx context.Context, socket string) {
	retry := monitor.NewRetry(reconnectFirst, reconnectLongest)
	for ctx.Err() == nil {
		err := control.Stream(ctx, socket, control.VerbReports, nil, func(raw json.RawMessage) error {
			var report control.Report
			if err := json.Unmarshal(raw, &report); err != nil {
				return err
			}
			if !report.Result.Time.IsZero() && verified(report.Result) {
				return errGuards
			}
			return nil
		})
		if errors.Is(err, errGuards) {
			return
		}
		rest(ctx, retry.Next())
	}
}

// rest waits a while, or until the context ends.
func rest(ctx context.Context, while time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(while):
	}
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
	args := []string{"run", "--only", role, "--config", r.opts.file, "--state", r.opts.state}
	text := r.held()
	if text != nil {
		args = append(args, "--"+flagHanded)
	}
	if r.opts.noManagement {
		args = append(args, "--no-management")
	}
	if r.opts.here {
		args = append(args, "--"+flagHere)
	}
	cmd := exec.CommandContext(ctx, self, args...) //nolint:gosec // this very binary, with arguments made here
	cmd.Args[0] = "sallyport"                      // what ps shows
	cmd.Stdin = bytes.NewReader(text)
	// The service manager hears of the whole from this process alone.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "NOTIFY_SOCKET=") })
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	// A process group of its own: what a terminal sends to all of its group (Ctrl-C) must not end the child first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	return cmd.Run()
}
