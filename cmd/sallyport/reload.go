package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"sallyport/config"
	"sallyport/control"
)

// reloadTimeout bounds a whole reload.
const reloadTimeout = 30 * time.Second

// reloader hands a new configuration to the processes of `run`, whole or not at all.
type reloader struct {
	opts *options
	log  *slog.Logger

	mu      sync.Mutex
	running *config.Config
	text    []byte // of the running one: a process that is started again gets this, whatever the file has become
}

func (r *reloader) hold(conf *config.Config, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running, r.text = conf, text
}

func (r *reloader) held() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text
}

func (r *reloader) reload(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	conf, err := r.try(ctx)
	if err != nil {
		r.log.Error("configuration rejected, the running one stays", "err", err)
		told := r.ask(ctx, control.ProbeSocket, control.VerbRejected, control.Rejected{Reason: inOneLine(err)})
		if told != nil {
			r.log.Warn("the prober could not be told of it", "err", told)
		}
		return
	}
	r.hold(conf, r.opts.text)
	r.log.Info("configuration loaded", "file", conf.File)
	sayNotices(conf, r.log)
}

// try has the prober make ready for the new configuration, then the guard take it, then the prober take it. Each of the
// first two may refuse, and then nothing has changed; the last step cannot fail.
func (r *reloader) try(ctx context.Context) (*config.Config, error) {
	conf, err := r.opts.load()
	if err != nil {
		return nil, err
	}
	if err := sameProcesses(r.running, conf); err != nil {
		return nil, err
	}
	step := func(step control.Step) error {
		return r.ask(ctx, control.ProbeSocket, control.VerbReload, control.Reload{Digest: conf.Digest, Step: step})
	}
	if err := step(control.Prepare); err != nil {
		return nil, err
	}
	if conf.Firewall.Mode != config.Off {
		if err := r.ask(ctx, control.GuardSocket, control.VerbReload, control.Reload{Digest: conf.Digest}); err != nil {
			return nil, errors.Join(err, step(control.Abandon))
		}
	}
	return conf, step(control.Commit)
}

func (r *reloader) ask(ctx context.Context, socket string, verb control.Verb, body any) error {
	return control.Call(ctx, filepath.Join(r.running.Paths.Runtime, socket), verb, body, nil)
}

// sameProcesses refuses what a reload cannot do: another folder of sockets, or a process more or less.
func sameProcesses(running, next *config.Config) error {
	if running.Paths != next.Paths {
		return fmt.Errorf("%s: paths cannot change while the daemon runs: restart it", next.File)
	}
	before, err := roles(running)
	if err != nil {
		return err
	}
	after, err := roles(next)
	if err != nil {
		return err
	}
	if !slices.Equal(before, after) {
		return fmt.Errorf("%s: the firewall cannot be switched on or off while the daemon runs: restart it", next.File)
	}
	return nil
}

// inOneLine is an error for where a whole list of a file's errors, with their source lines, would be too much.
func inOneLine(err error) string {
	errs, ok := errors.AsType[config.Errors](err)
	if !ok || len(errs) == 0 {
		return err.Error()
	}
	text := errs[0].String() + ": " + errs[0].Message
	if more := len(errs) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}
