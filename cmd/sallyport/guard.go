package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// guardProcess is `run --only guard`: it alone speaks netlink, and it opens no IP socket.
type guardProcess struct {
	opts   *options
	log    *slog.Logger
	guard  *guard.Guard
	live   *kernel.Conn // the guard's; of whose turn it is, before the guard runs
	book   *ledger
	notify *notifier
	file   string        // the configuration, as an absolute path
	turn   chan struct{} // one change of what is in force at a time: who has put something in

	inForce *firewall.Policy // of whose turn it is; nil before the first was put in force, and where the guard observes

	conf   atomic.Pointer[config.Config]   // that it was told of last and took; nil before there is one
	policy atomic.Pointer[firewall.Policy] // that the guard keeps or watches; nil before there is one

	mu      sync.Mutex
	last    control.Report
	over    *guard.RolledBack // the latest that was recorded
	changed chan struct{}     // closed when last is replaced
}

func runGuard(ctx context.Context, opts *options, log *slog.Logger) error {
	first, refused := opts.candidate("")
	if errors.Is(refused, errFirewallOff) {
		return refused
	}
	at := opts.placesOf(first.conf)
	book := newLedger(at.state)
	book.readOr(log)
	if known := book.now(); refused != nil && known.Committed == nil && known.Trial == nil {
		return refused
	}
	listener, lock, err := control.Listen(filepath.Join(at.runtime, control.GuardSocket))
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
		opts: opts, log: log, guard: guard.New(live, log), live: live, book: book, file: file,
		notify: newNotifier(), turn: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	p.guard.WatchOthers(p.lookAtOthers)
	if elsewhere := opts.elsewhere(log); elsewhere {
		log.Error(notHere)
		p.notify.mute()
	}
	if err := p.open(ctx, first, refused); err != nil {
		return err
	}
	return p.run(ctx, listener)
}

func (p *guardProcess) run(ctx context.Context, listener *net.UnixListener) error {
	server := &control.Server{
		Log: p.log,
		Handlers: map[control.Verb]control.Handler{
			control.VerbReload:  p.reload,
			control.VerbApply:   p.apply,
			control.VerbTry:     p.try,
			control.VerbLearned: p.learned,

			control.VerbConnections: p.connections,

			control.VerbConfirm:  p.ending(p.confirm),
			control.VerbRollback: p.ending(p.guard.Rollback),
		},
		Streamers: map[control.Verb]control.Streamer{control.VerbReports: p.reports},
		Exchanges: map[control.Verb]control.Exchange{control.VerbTrace: newTracer().trace},
	}
	defer p.notify.stopping()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.Serve(ctx, listener) })
	group.Go(func() error { return p.guard.Run(ctx, p.tell) })
	group.Go(func() error { return p.followResolvers(ctx) })
	group.Go(func() error { return onHangup(ctx, func() { p.reloadOnHangup(ctx) }) })
	return group.Wait()
}

// take has the guard keep the candidate in force, or watch it.
func (p *guardProcess) take(ctx context.Context, next candidate) error {
	former, err := p.guard.SetOwnership(ctx, next.ownership())
	if err != nil {
		return err
	}
	if err = p.know(ctx, next.policy, p.inForce); err == nil {
		err = p.guard.Put(ctx, next.ruleset, next.enforces())
	}
	if err != nil {
		return errors.Join(err, p.backTo(ctx, former))
	}
	p.policy.Store(&next.policy)
	p.conf.Store(next.conf)
	p.inForce = nil
	if next.enforces() {
		p.inForce = &next.policy
	}
	p.untold(p.guard.Know(ctx, next.policy))
	return nil
}

// backTo has the guard hold the table as before, and know of no policy but the one in force, where another came to nothing.
// A context that has ended may be why it did.
func (p *guardProcess) backTo(ctx context.Context, former kernel.Ownership) error {
	ctx = context.WithoutCancel(ctx)
	var policies []firewall.Policy
	if p.inForce != nil {
		policies = append(policies, *p.inForce)
	}
	p.untold(p.guard.Know(ctx, policies...))
	_, err := p.guard.SetOwnership(ctx, former)
	return err
}

// myTurn waits for the turn, and gives it back by what it returns.
func (p *guardProcess) myTurn(ctx context.Context) (done func(), err error) {
	select {
	case p.turn <- struct{}{}:
		return func() { <-p.turn }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("the guard is busy with another change: %w", context.Cause(ctx))
	}
}

// put loads the configuration again and puts it in force, whole or not at all. Before, keeps may refuse it.
func (p *guardProcess) put(ctx context.Context, digest string, keeps func(context.Context, candidate) error) error {
	done, err := p.myTurn(ctx)
	if err != nil {
		return err
	}
	defer done()
	next, err := p.opts.candidate(digest)
	if err != nil {
		return err
	}
	next.inForce = p.inForce
	if p.book.now().Trial != nil {
		return guard.ErrTrialRuns
	}
	if next.enforces() {
		if err := keeps(ctx, next); err != nil {
			return err
		}
	}
	if err := p.take(ctx, next); err != nil {
		return err
	}
	p.log.Info("configuration in force", "file", p.file, "mode", next.conf.Firewall.Mode)
	if next.enforces() {
		p.recorded(p.book.commits(next))
	}
	p.tell(p.guard.Look(ctx))
	return nil
}

// recorded says where the record could not be written. That is no reason not to guard.
func (p *guardProcess) recorded(err error) {
	if err != nil {
		p.log.Error(errUnrecorded.Error(), "err", err)
	}
}

// onReload refuses what shuts out a peer, and what came to nothing on trial: a signal has no --force, but a command before
// it may have.
func (p *guardProcess) onReload(ctx context.Context, next candidate) error {
	if err := p.book.now().Refuses(next.ruleset.PolicyHash()); err != nil {
		return fmt.Errorf("%s: %w", next.conf.File, err)
	}
	if err := next.keepsPeersIn(ctx, byApply); err != nil {
		return err
	}
	_, err := next.rehearse(ctx)
	return err
}

func (p *guardProcess) reload(ctx context.Context, body json.RawMessage) (any, error) {
	var request control.Reload
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	return nil, p.put(ctx, request.Digest, p.onReload)
}

func (p *guardProcess) reloadOnHangup(ctx context.Context) {
	if err := p.put(ctx, "", p.onReload); err != nil {
		p.log.Error("configuration rejected, the running one stays", "err", err)
	}
}

func (p *guardProcess) apply(ctx context.Context, body json.RawMessage) (any, error) {
	var request control.Apply
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, err
	}
	if err := p.means(request); err != nil {
		return nil, err
	}
	keeps := func(ctx context.Context, next candidate) error { return next.mayComeIn(ctx, request.Force) }
	if err := p.put(ctx, request.Digest, keeps); err != nil {
		return nil, err
	}
	report, _ := p.latest()
	return report.Result, nil
}

// means refuses a request that means another configuration than this guard's.
func (p *guardProcess) means(request control.Apply) error {
	if request.File != p.file {
		return fmt.Errorf("the running guard keeps %s in force, not %s: stop it, or apply its own file",
			p.file, request.File)
	}
	return nil
}

// tell keeps the report for whoever listens, and wakes them.
func (p *guardProcess) tell(r guard.Report) {
	report := control.Report{Result: r.Result, Repairs: r.Repairs, Counters: map[string]control.Counter{}}
	for name, c := range r.Counters {
		report.Counters[name] = control.Counter{Packets: c.Packets, Bytes: c.Bytes}
	}
	if verified(r.Result) {
		p.notify.ready()
	}
	report.Tallies = talliesOf(r.Tallies)
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.RolledBack != nil && r.RolledBack != p.over {
		p.over = r.RolledBack
		p.recorded(p.book.rollsBack(*r.RolledBack))
	}
	p.last = report
	close(p.changed)
	p.changed = make(chan struct{})
}

// verified says whether a look found in force what is to be, a trial and what came of one included.
func verified(r check.Result) bool {
	switch r.Cause {
	case check.FirewallRepaired, check.FirewallTrial, check.FirewallRolledBack:
		return r.Status == check.Warn
	}
	return r.Status == check.OK
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
