package netcheck

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"

	"sallyport/check"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
)

// classifyDiscovery names the cause where a domain has no directory server; ok is false for another error.
func classifyDiscovery(err error) (cause check.Cause, detail string, ok bool) {
	none, ok := errors.AsType[*resolver.NoServerError](err)
	if !ok {
		return "", "", false
	}
	return check.LDAPNoServer, none.Error(), true
}

// String is the directory as an operator writes it: host:port, or the domain whose servers are checked.
func (t LDAPSTarget) String() string {
	if t.Discover != "" {
		return t.Discover
	}
	return t.Server.String()
}

// reachAll reaches the directory, or each of those that DNS names for the domain.
func (r *ldapsRun) reachAll(ctx context.Context, options tlsprobe.Options) ([]attempt, error) {
	if r.Discover == "" {
		return r.reach(ctx, options, r.use)
	}
	ctx, cancel := withDeadline(ctx, defaultTimeout)
	defer cancel()
	targets, err := r.discover(ctx)
	if err != nil {
		return nil, err
	}
	found := make([][]attempt, len(targets))
	next := make(chan int, len(targets))
	for i, t := range targets {
		r.discovered = append(r.discovered, net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))))
		next <- i
	}
	close(next)
	var workers sync.WaitGroup
	for range min(parallel, len(targets)) {
		workers.Go(func() {
			for i := range next {
				rounds := (len(targets) - i + parallel - 1) / parallel
				one, cancel := context.WithTimeout(ctx, share(ctx, 1, rounds))
				found[i] = r.reachOne(one, targets[i], options)
				cancel()
			}
		})
	}
	workers.Wait()
	var attempts []attempt
	for _, of := range found {
		attempts = append(attempts, of...)
	}
	return attempts, nil
}

// discover asks for the domain's servers, in a part of the time.
func (r *ldapsRun) discover(ctx context.Context) ([]resolver.Target, error) {
	ctx, cancel := context.WithTimeout(ctx, share(ctx, 1, 3))
	defer cancel()
	return resolver.Discover(ctx, r.resolvers, r.Discover, r.StartTLS)
}

// reachOne reaches one of the domain's servers. One whose name has no address is an attempt that failed.
func (r *ldapsRun) reachOne(ctx context.Context, target resolver.Target, options tlsprobe.Options) []attempt {
	server := r.Server
	server.Host, server.Port, server.domain = target.Host, target.Port, r.Discover
	attempts, err := server.reach(ctx, options, r.use)
	if err != nil {
		attempts = []attempt{{err: err}}
	}
	for i := range attempts {
		attempts[i].host = server.String()
		attempts[i].alone = len(attempts) == 1
	}
	return attempts
}
