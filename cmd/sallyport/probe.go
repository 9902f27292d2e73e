package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall/guard"
	"sallyport/monitor"
	"sallyport/netcheck/follower"
	"sallyport/report/document"
)

// probeProcess is `run --only probe`: the checks, the sinks and the status. It speaks no netlink.
type probeProcess struct {
	opts     *options
	log      *slog.Logger
	monitor  *monitor.Monitor
	sinks    *sinks
	health   *health
	kept     kept
	guarded  chan struct{}      // closed, once, at the guard's first word
	follower *follower.Follower // of the names that egress lets out
	once     sync.Once

	elsewhere bool // as options.elsewhere has it

	mu       sync.Mutex
	conf     *config.Config   // the running one
	prepared *prepared        // made ready by the first step of a reload, or nil
	tallies  *control.Tallies // of the guard's latest word; nil while it is away
}

// prepared is all that a new configuration needs, made before the running one is given up.
type prepared struct {
	conf   *config.Config
	checks []check.Check
	names  []string // that egress lets out
	sinks  *change
}

func runProbe(ctx context.Context, opts *options, log *slog.Logger) error {
	conf, err := opts.load()
	if err != nil {
		return err
	}
	listener, lock, err := control.Listen(filepath.Join(conf.Paths.Runtime, control.ProbeSocket))
	if err != nil {
		return err
	}
	defer func() { _ = lock.Release() }()
	defer func() { _ = listener.Close() }()

	p := &probeProcess{
		opts: opts, log: log, conf: conf, sinks: newSinks(log), guarded: make(chan struct{}),
		elsewhere: opts.elsewhere(log), kept: keeping(conf, log),
	}
	p.kept.blocked = oneByOne(askGuardOr(conf, nil))
	p.health = newHealth(p.sinks.down)
	if p.follower, err = newFollower(conf); err != nil {
		return err
	}
	next, err := p.prepare(conf)
	if err != nil {
		return err
	}
	p.monitor, err = monitor.New(next.checks, monitor.Options{Logger: log}, p.sinks)
	if err != nil {
		next.sinks.abandon()
		return err
	}
	p.sinks.metrics.SetVerdict(p.verdict)
	return p.run(ctx, listener, next)
}

// run begins with what was prepared first, and does not return before everything that it began has ended.
func (p *probeProcess) run(ctx context.Context, listener *net.UnixListener, first *prepared) error {
	notify := newNotifier()
	group, ctx := errgroup.WithContext(ctx)
	p.sinks.run(ctx, first.sinks)
	defer p.sinks.wait()
	server := &control.Server{Log: p.log, Handlers: map[control.Verb]control.Handler{
		control.VerbStatus:   p.status,
		control.VerbReload:   p.reload,
		control.VerbRejected: p.rejected,
	}}
	group.Go(func() error { return server.Serve(ctx, listener) })
	group.Go(func() error {
		p.awaitGuard(ctx, first.conf.Firewall.Mode)
		p.awaitNames(ctx)
		return p.monitor.Run(ctx)
	})
	group.Go(func() error { return onHangup(ctx, p.reloadOnHangup) })
	group.Go(func() error {
		p.awaitGuard(ctx, first.conf.Firewall.Mode) // there is nobody to tell before
		return p.follower.Run(ctx)
	})
	if first.conf.Firewall.Mode != config.Off {
		socket := filepath.Join(first.conf.Paths.Runtime, control.GuardSocket)
		group.Go(func() error { return p.listenToGuard(ctx, socket) })
	}
	p.log.Info("probing", "checks", len(first.checks))
	if p.elsewhere {
		p.log.Error(notHere)
	} else {
		notify.ready()
	}
	defer notify.stopping()
	return group.Wait()
}

// awaitGuard waits for the guard's first word where a ruleset is to be put in force: connection tracking begins with it,
// and takes the answer to a connection that was open before for a stranger's. A guard that does not come is not waited
// for long: the checks go on without it.
func (p *probeProcess) awaitGuard(ctx context.Context, mode config.Mode) {
	if mode != config.Enforce {
		return
	}
	select {
	case <-p.guarded:
	case <-ctx.Done():
	case <-time.After(guardPatience):
	}
}

// prepare makes all that a configuration needs, and changes nothing.
func (p *probeProcess) prepare(conf *config.Config) (*prepared, error) {
	seen := observing(conf)
	checks, err := wireChecks(conf, p.kept, seen.reaching(p.follower.Reaching))
	if err != nil {
		return nil, err
	}
	seen.beside(conf, checks)
	checks = append(checks, seen.checkGuarded(conf, p.latest)...)
	names, err := followedNames(conf)
	if err != nil {
		return nil, err
	}
	checks = append(checks, p.ownChecks(conf)...)
	if _, err := monitor.New(checks, monitor.Options{}); err != nil {
		return nil, fmt.Errorf("%s: %w", conf.File, err)
	}
	sinks, err := p.sinks.prepare(conf, checkNames(checks))
	if err != nil {
		return nil, err
	}
	return &prepared{conf: conf, checks: checks, names: names, sinks: sinks}, nil
}

// latest is what each check found last, those aside that have not been run yet.
func (p *probeProcess) latest() []check.Result {
	var results []check.Result
	for _, s := range p.monitor.States() {
		if !s.Last.Time.IsZero() {
			results = append(results, s.Last)
		}
	}
	return results
}

// ownChecks are the checks that no configuration lists: the guard's word about the ruleset, and Sallyport's own health.
func (p *probeProcess) ownChecks(conf *config.Config) []check.Check {
	var checks []check.Check
	if conf.Firewall.Mode != config.Off {
		c := guard.Check()
		c.Interval, c.FailAfter, c.RecoverAfter = guardInterval, 1, 1
		checks = append(checks, c)
	}
	if p.elsewhere {
		checks = append(checks, elsewhereCheck(conf))
	}
	return append(checks, p.health.checks(conf)...)
}

// commit takes what was prepared. It cannot fail: prepare has tried everything that could.
func (p *probeProcess) commit(next *prepared) error {
	if err := p.monitor.Reload(next.checks); err != nil {
		next.sinks.abandon()
		return err
	}
	p.follower.Follow(next.names)
	p.sinks.commit(next.sinks)
	p.conf = next.conf
	p.health.loaded()
	p.log.Info("configuration in force", "file", next.conf.File, "checks", len(next.checks))
	return nil
}

func (p *probeProcess) reload(_ context.Context, body json.RawMessage) (any, error) {
	var request control.Reload
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return nil, p.step(request)
}

func (p *probeProcess) step(request control.Reload) error {
	next := p.prepared
	p.prepared = nil
	if request.Step == control.Commit {
		if next == nil || next.conf.Digest != request.Digest {
			return errors.New("nothing of that configuration was prepared")
		}
		return p.commit(next)
	}
	if next != nil {
		next.sinks.abandon()
	}
	if request.Step == control.Abandon {
		return nil
	}
	conf, err := p.opts.expecting(request.Digest, p.opts.load)
	if err != nil {
		return err
	}
	if err := sameProcesses(p.conf, conf); err != nil {
		return err
	}
	if next, err = p.prepare(conf); err != nil {
		return err
	}
	if request.Step == control.Prepare {
		p.prepared = next
		return nil
	}
	return p.commit(next)
}

func (p *probeProcess) reloadOnHangup() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(control.Reload{}); err != nil {
		p.log.Error("configuration rejected, the running one stays", "err", err)
		p.health.rejected(inOneLine(err))
	}
}

func (p *probeProcess) rejected(_ context.Context, body json.RawMessage) (any, error) {
	var request control.Rejected
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	p.health.rejected(request.Reason)
	return nil, nil
}

func (p *probeProcess) status(context.Context, json.RawMessage) (any, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	told := withTraffic(items(p.monitor.States()), p.traffic())
	return document.Of(version, host, time.Now(), told).Judged(networkFacts), nil
}

// items is what is believed of each check. A skipped one shows as skipped, whatever was believed of it: the check that
// it depends on is the one to look at.
func items(states []monitor.State) []document.Item {
	list := make([]document.Item, 0, len(states))
	for _, s := range states {
		item := document.Item{Result: s.Shown, State: &document.State{Since: s.Since, Consecutive: s.Consecutive()}}
		switch {
		case s.Last.Status == check.Skipped:
			item.Result = s.Last
		case !s.Settled():
			item.Result = s.Last
			item.Status, item.Cause, item.Layer = check.Unknown, "", ""
		}
		if !s.Agrees() && s.Last.Status != check.Skipped && !s.Last.Time.IsZero() {
			item.State.Latest = &document.Latest{Status: s.Last.Status, Cause: s.Last.Cause, Detail: s.Last.Detail}
		}
		item.Check, item.Kind, item.Target = s.Check, s.Kind, s.Target // a check that was not run yet has no result
		list = append(list, item)
	}
	return list
}
