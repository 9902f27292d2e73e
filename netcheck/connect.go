package netcheck

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/netcheck/dial"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/fetch"
)

// parallel is how many addresses of one target are tried at the same time.
const parallel = 4

// maxFetches is how many files that certificates name one run gets: issuers, revocation lists, OCSP responses.
const maxFetches = 4

// reach resolves the target, then connects and shakes hands at every one of its addresses, and runs then (which may be
// nil) on each connection that is verified. Through a proxy, the target is one, whatever addresses the proxy has. The
// error is that of the name; what went wrong at an address stands in its attempt. Every connection is closed, and every
// goroutine has ended, when reach returns, which is a little before the deadline of ctx, so that there is still time to
// say what was seen.
func (t Server) reach(ctx context.Context, options tlsprobe.Options, then use) ([]attempt, error) {
	ctx, cancel := withDeadline(ctx, defaultTimeout)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, share(ctx, 19, 20))
	defer stop()
	own, err := t.prepare(&options)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	host, port := t.door()
	addresses, err := resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	ctx = fetch.Within(ctx, maxFetches)
	named := check.Phase{Name: phaseDNS, Duration: time.Since(start)}
	barred := t.announce(ctx, host, addresses)
	java := t.javaNow()
	attempts := t.attempts(addresses, port, java)
	for i := range attempts {
		a := &attempts[i]
		a.phases, a.from, a.own = []check.Phase{named}, t.from(), own
		a.before, a.clock = t.before, t.clock
		a.fetch, a.shown, a.blocks, a.revoke = t.FetchIssuer, t.shown, t.blocks, t.Revocation.begin()
		a.java = java
	}
	tryAll(ctx, attempts, options, then)
	setAside(host, attempts)
	blame(attempts, barred)
	return attempts, nil
}

// attempts are one for each address, or one through the proxy that has them.
func (t Server) attempts(addresses []netip.Addr, port uint16, java *javaView) []attempt {
	if t.Proxy != nil {
		way := &via{Proxy: *t.Proxy, addresses: addresses, tunnel: dial.Tunnel{Target: t.String(), Agent: t.Agent}}
		way.forbids = java.forbidsBasic()
		way.used = netip.AddrPortFrom(addresses[0], port)
		return []attempt{{address: way.used, via: way}}
	}
	attempts := make([]attempt, len(addresses))
	for i, address := range addresses {
		attempts[i].address = netip.AddrPortFrom(address, port)
	}
	return attempts
}

// prepare adds what the target knows to the options, and says what is wrong with its own certificate, if anything.
func (t Server) prepare(options *tlsprobe.Options) (own string, err error) {
	options.ServerName, options.Roots = t.serverName(), t.Roots
	options.Warn, options.Fail, options.Expected = t.Warn, t.Fail, t.expected()
	options.ALPN = t.ALPN
	if t.Like != nil {
		options.Like = t.Like()
	}
	if t.ClientCertificate == (ClientCertificate{}) {
		return "", nil
	}
	if options.ClientCertificate, err = t.ClientCertificate.load(); err != nil {
		return "", err
	}
	return ownProblem(options.ClientCertificate.Leaf, time.Now(), max(t.Warn, t.Fail)), nil
}

// announce says where the name leads, before anything is sent there.
func (t Server) announce(ctx context.Context, host string, addresses []netip.Addr) map[netip.Addr]string {
	if t.Reaching == nil || isAddress(host) {
		return nil
	}
	host = cmp.Or(t.domain, host)
	return t.Reaching(ctx, host, addresses)
}

// blame puts a refusal on this host where it is known not to let packets out to the address: what a server sends to refuse
// a connection, the host's own ruleset sends too.
func blame(attempts []attempt, barred map[netip.Addr]string) {
	for i := range attempts {
		a := &attempts[i]
		why, known := barred[a.address.Addr()]
		if at, ok := errors.AsType[*phaseError](a.err); !known || !ok || at.phase != phaseConnect {
			continue
		}
		a.err = &opinion{cause: check.ConnectBlockedHere, err: a.err,
			words: "this host does not let the connection out: its egress policy does not take " + why +
				" for an address of the name"}
	}
}

// tryAll tries every address, parallel ones at a time. An address may take what time is left, divided by the rounds
// that are still to come: one silent address does not take the time of the next.
func tryAll(ctx context.Context, attempts []attempt, options tlsprobe.Options, then use) {
	next := make(chan int, len(attempts))
	for i := range attempts {
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range min(parallel, len(attempts)) {
		workers.Go(func() {
			for i := range next {
				rounds := (len(attempts) - i + parallel - 1) / parallel
				one, cancel := context.WithTimeout(ctx, share(ctx, 1, rounds))
				attempts[i].err = attempts[i].try(one, options, then)
				cancel()
			}
		})
	}
	workers.Wait()
}

// try goes through the phases of one address.
func (a *attempt) try(ctx context.Context, options tlsprobe.Options, then use) error {
	a.options = options
	conn, err := a.connect(ctx)
	if err != nil {
		return a.blockedBy(ctx, err)
	}
	for _, s := range a.before {
		if err := a.timed(s.phase, func() error { return s.run(ctx, conn) }); err != nil {
			return errors.Join(err, conn.Close())
		}
	}
	if err := a.timed(phaseTLS, func() error { return a.shakeHands(ctx, conn, options) }); err != nil {
		return err
	}
	defer func() { _ = a.conn.Close() }()
	if a.via != nil && a.warning == nil {
		a.warning = a.via.doubt()
	}
	a.phases[len(a.phases)-1].Duration = a.facts.Duration // without the wait for an alert
	if err := a.revokedBefore(ctx); err != nil {
		return err
	}
	if then != nil {
		if err := then(ctx, a); err != nil {
			return err
		}
	}
	return a.revokedAfter(ctx)
}

// connect makes the connection that the handshake is done over.
func (a *attempt) connect(ctx context.Context) (conn net.Conn, err error) {
	err = a.timed(phaseConnect, func() (err error) {
		ctx, cancel := a.leaving(ctx)
		defer cancel()
		if a.via != nil {
			conn, err = a.via.connect(ctx, a.from)
			a.address = a.via.used
			return err
		}
		conn, err = dial.TCP(ctx, a.address, a.from)
		return err
	})
	if err != nil {
		return nil, err
	}
	a.blocks.forget(Flight{To: a.address})
	if a.via != nil {
		err = a.timed(phaseProxy, func() (err error) {
			conn, err = a.via.open(ctx, conn, a.from)
			return err
		})
	}
	if err == nil {
		a.local = localOf(conn)
	}
	return conn, err
}

// reconnect is one more connection, made as the first was.
func (a *attempt) reconnect(ctx context.Context) (net.Conn, error) {
	if a.via != nil {
		return a.via.again(ctx, a.from)
	}
	return dial.TCP(ctx, a.address, a.from)
}

// localOf is the address of this host that a connection has.
func localOf(conn net.Conn) netip.AddrPort {
	if at, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		return at.AddrPort()
	}
	return netip.AddrPort{}
}

// shakeHands does the handshake. It keeps a part of the time for a second connection, which may tell why the first one
// failed.
func (a *attempt) shakeHands(ctx context.Context, conn net.Conn, options tlsprobe.Options) error {
	first, cancel := context.WithTimeout(ctx, share(ctx, 4, 5))
	defer cancel()
	options.AwaitAlert = min(options.AwaitAlert, share(first, 1, 4))
	var err error
	a.facts, a.conn, err = tlsprobe.Handshake(first, conn, options)
	if err != nil {
		err = a.secondOpinion(ctx, options, a.completed(ctx, options, err))
	}
	if err == nil {
		if err := a.unoffered(ctx, options); err != nil {
			_ = a.conn.Close()
			a.conn = nil
			return err
		}
	}
	return a.askJava(err)
}

// dialAgain makes one more connection, and takes the steps before TLS.
func (a *attempt) dialAgain(ctx context.Context) (net.Conn, error) {
	conn, err := a.reconnect(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range a.before {
		if err := s.run(ctx, conn); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}
