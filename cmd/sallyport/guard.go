package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/control"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// guardProcess is `run --only guard`: it alone speaks netlink, and it opens no IP socket.
type guardProcess struct {
	opts  *options
	log   *slog.Logger
	guard *guard.Guard
	file  string        // the configuration, as an absolute path
	turn  chan struct{} // one change of what is in force at a time: who has put something in

	inForce *firewall.Policy // of whose turn it is; nil before the first was put in force, and where the guard observes

	mu      sync.Mutex
	last    control.Report
	changed chan struct{} // closed when last is replaced
}

func runGuard(ctx context.Context, opts *options, log *slog.Logger) error {
	first, err := opts.candidate("")
	if err != nil {
		return err
	}
	listener, lock, err := control.Listen(filepath.Join(first.conf.Paths.Runtime, control.GuardSocket))
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	defer func() { _ = listener.Close() }()
	live, err := kernel.Open()
	if err != nil {
		return err
	}
	defer func() { _ = live.Close() }()

	file, err := filepath.Abs(opts.file)
	if err != nil {
		return err
	}
	p := &guardProcess{
		opts: opts, log: log, guard: guard.New(live, log), file: file,
		turn: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	if first.enforces() {
		first.warn(ctx, log)
	}
	if err := p.take(ctx, first); err != nil {
		return err
	}
	log.Info("guarding", "mode", first.conf.Firewall.Mode, "table", "inet sallyport")
	return p.run(ctx, listener)
}

func (p *guardProcess) run(ctx context.Context, listener *net.UnixListener) error {
	server := &control.Server{
		Log: p.log,
		Handlers: map[control.Verb]control.Handler{
			control.VerbReload:  p.reload,
			control.VerbApply:   p.apply,
			control.VerbLearned: p.learned,
		},
		Streamers: map[control.Verb]control.Streamer{control.VerbReports: p.reports},
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(ctx, listener) })
	group.Go(func() error { return p.guard.Run(ctx, p.tell) })
	group.Go(func() error { return p.followResolvers(ctx) })
	group.Go(func() error { return onHangup(ctx, func() { p.reloadOnHangup(ctx) }) })
	return group.Wait()
}

// take has the guard keep the candidate in force, or watch it.
func (p *guardProcess) take(ctx context.Context, next candidate) error {
	if err := p.guard.SetOwnership(ctx, next.ownership()); err != nil {
		return err
	}
	if err := p.know(ctx, next.policy, p.inForce); err != nil {
		return err
	}
	if err := p.guard.Put(ctx, next.ruleset, next.enforces()); err != nil {
		return err
	}
	if err := p.guard.Know(ctx, next.policy); err != nil {
		return err
	}
	p.inForce = nil
	if next.enforces() {
		p.inForce = &next.policy
	}
	return nil
}

// put loads the configuration again and puts it in force, whole or not at all. Before, keeps may refuse it.
func (p *guardProcess) put(ctx context.Context, digest string, keeps func(context.Context, candidate) error) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("the guard is busy with another change: %w", context.Cause(ctx))
	}
	defer func() { <-p.turn }()
	next, err := p.opts.candidate(digest)
	if err != nil {
		return err
	}
	next.inForce = p.inForce
	if next.enforces() {
		if err := keeps(ctx, next); err != nil {
			return err
		}
	}
	if err := p.take(ctx, next); err != nil {
		return err
	}
	p.log.Info("configuration in force", "file", p.file, "mode", next.conf.Firewall.Mode)
	p.tell(p.guard.Look(ctx))
	return nil
}

// onReload refuses what shuts out a peer: a signal has no --force, but a command before it may have.
func onReload(ctx context.Context, next candidate) error { return next.keepsPeersIn(ctx, byApply) }

func (p *guardProcess) reload(ctx context.Context, body json.RawMessage) (any, error) {
	var request control.Reload
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	return nil, p.put(ctx, request.Digest, onReload)
}

func (p *guardProcess) reloadOnHangup(ctx context.Context) {
	if err := p.put(ctx, "", onReload); err != nil {
		p.log.Error("configuration rejected, the running one stays", "err", err)
	}
}

func (p *guardProcess) apply(ctx context.Context, body json.RawMessage) (any, error) {
	var request control.Apply
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	if request.File != p.file {
		return nil, fmt.Errorf("the running guard keeps %s in force, not %s: stop it, or apply its own file",
			p.file, request.File)
	}
	keeps := func(ctx context.Context, next candidate) error { return next.unless(ctx, request.Force) }
	if err := p.put(ctx, request.Digest, keeps); err != nil {
		return nil, err
	}
	report, _ := p.latest()
	return report.Result, nil
}

// tell keeps the report for whoever listens, and wakes them.
func (p *guardProcess) tell(r guard.Report) {
	report := control.Report{Result: r.Result, Repairs: r.Repairs, Counters: map[string]control.Counter{}}
	for name, c := range r.Counters {
		report.Counters[name] = control.Counter{Packets: c.Packets, Bytes: c.Bytes}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = report
	close(p.changed)
	p.changed = make(chan struct{})
}

// latest is the last report and what is closed when there is a newer one.
func (p *guardProcess) latest() (control.Report, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last, p.changed
}

func (p *guardProcess) reports(ctx context.Context, send func(any) error) error {
	beat := time.NewTicker(control.Heartbeat)
	defer beat.Stop()
	report, changed := p.latest()
	for {
		if err := send(report); err != nil {
			return err
		}
		select {
		case <-changed:
			report, changed = p.latest()
		case <-beat.C:
			report = control.Report{}
		case <-ctx.Done():
			return nil
		}
	}
}
