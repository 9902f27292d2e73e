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

// classifyDiscovery names the cause where a domain has no directory server, or one of another domain; ok is false for
// another error.
func classifyDiscovery(err error) (cause check.Cause, detail string, ok bool) {
	if other, ok := errors.AsType[*foreignError](err); ok {
		return check.DNSMismatch, other.Error(), true
	}
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

// reachOne reaches one of the domain's servers. One whose name has no address is an attempt that failed, and so is one that
// must not be told what is secret.
func (r *ldapsRun) reachOne(ctx context.Context, target resolver.Target, options tlsprobe.Options) []attempt {
	server := r.Server
	server.Host, server.Port, server.domain = target.Host, target.Port, r.Discover
	var attempts []attempt
	err := r.foreign(server)
	if err == nil {
		attempts, err = server.reach(ctx, options, r.use)
	}
	if err != nil {
		attempts = []attempt{{err: err}}
	}
	for i := range attempts {
		attempts[i].host = server.String()
		attempts[i].alone = len(attempts) == 1
	}
	return attempts
}

// foreignError is a server that a domain names and that is not of the domain. Whoever forges an answer of the DNS can name
// one of his own, with a certificate for that name that anybody trusts (RFC 2782, "Security considerations"; RFC 4513
// section 3.1.3): no password goes there, and no certificate of this host.
type foreignError struct{ server, domain string }

func (e *foreignError) Error() string {
	return "the domain " + e.domain + " names the server " + e.server + ", which is not of the domain: nothing is sent " +
		"there, for whoever forges an answer of the DNS could ask for the password so"
}

// foreign is the error of a server that must not be told what is secret; nil where it may, or where nothing is. A server
// that must prove to be one that the configuration names, by name or by key, may be called by the DNS as it likes.
func (r *ldapsRun) foreign(server Server) error {
	secret := r.BindDN != "" || r.ClientCertificate != ClientCertificate{}
	if !secret || server.ServerName != "" || len(server.Pins) > 0 || r.trusts(server.Host) {
		return nil
	}
	return &foreignError{server: cleanText(server.Host, maxTextKept), domain: cleanText(r.Discover, maxTextKept)}
}

func (e *foreignError) remedy() string {
	return "Compare what other resolvers answer for the servers of " + e.domain + "; if " + e.server + " is meant, name " +
		"it by url, or give the check its pins."
}
