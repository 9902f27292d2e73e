package main

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"sallyport/check"
	"sallyport/config"
	"sallyport/control"
	"sallyport/monitor"
	"sallyport/netcheck"
	"sallyport/netcheck/resolver"
	"sallyport/netcheck/service"
)

const (
	// serviceInterval is how often the service's connections are looked at: a run of the tool may take less than a minute.
	serviceInterval = 3 * time.Second
	serviceTimeout  = 2 * time.Second
	// serviceRecovers is how many looks in a row must be well: a tool that tries again and again begins each try well.
	serviceRecovers = 3
	// resolveForService bounds the looking up of names of which no check has said where they lead.
	resolveForService = time.Second
)

// observed is what is known of the service besides by its own check.
type observed struct {
	addresses *service.Addresses
	log       *service.Log // nil where none is configured
}

// observing is what a configuration has to be observed.
func observing(conf *config.Config) observed {
	o := observed{addresses: new(service.Addresses)}
	if conf.Service != nil && conf.Service.Log != "" {
		o.log = service.NewLog(conf.Service.Log)
	}
	return o
}

// reaching also tells where the checks' names lead, so that the service's connections can be named.
func (o observed) reaching(next netcheck.Reaching) netcheck.Reaching {
	return func(ctx context.Context, host string, addresses []netip.Addr) map[netip.Addr]string {
		o.addresses.Learn(host, addresses)
		if next == nil {
			return nil
		}
		return next(ctx, host, addresses)
	}
}

// beside has each check that asks a server say what the service's log says of the same.
func (o observed) beside(conf *config.Config, checks []check.Check) {
	if o.log == nil {
		return
	}
	for _, t := range serviceTargets(conf.Checks) {
		at := slices.IndexFunc(checks, func(c check.Check) bool { return c.Name == t.Check })
		if at >= 0 && !t.Proxy {
			checks[at].Run = service.Beside(o.log, t.Host, checks[at].Run)
		}
	}
}

// serviceTargets are the servers that the checks ask.
func serviceTargets(checks config.Checks) []service.Target {
	var targets []service.Target
	for _, c := range checks.TLS {
		targets = append(targets, service.Target{Check: c.Name, Host: c.Host, Port: c.Port})
		if p := c.Proxy; p != nil {
			targets = append(targets, service.Target{Check: c.Name, Host: p.Host, Port: p.Port, Proxy: true})
		}
	}
	for _, c := range checks.LDAPS {
		targets = append(targets, service.Target{Check: c.Name, Host: c.Host, Port: c.Port, StartTLS: c.StartTLS})
	}
	return targets
}

// check is the check of the service; none where the configuration has no service. Latest is what the other checks find.
func (o observed) check(
	conf *config.Config, connections func(context.Context) (service.Sample, error), latest func() []check.Result,
) []check.Check {
	if conf.Service == nil {
		return nil
	}
	run := service.New(service.Settings{
		User: conf.Service.User, Connections: connections, Log: o.log, Targets: serviceTargets(conf.Checks),
		Addresses: o.addresses, Latest: latest,
	}).Run
	c := check.Check{
		Name: service.Name, Kind: check.KindService, Target: "user " + conf.Service.User, Run: run,
		Interval: serviceInterval, Timeout: serviceTimeout, FailAfter: 1, RecoverAfter: serviceRecovers,
	}
	c.Run = waiving(conf.Waivers, c)
	return []check.Check{c}
}

// checkGuarded is the check in the daemon, where the guard lists the connections, if one is to run.
func (o observed) checkGuarded(conf *config.Config, latest func() []check.Result) []check.Check {
	if conf.Firewall.Mode == config.Off {
		return o.check(conf, connectionsHere(conf), latest)
	}
	socket := filepath.Join(conf.Paths.Runtime, control.GuardSocket)
	return o.check(conf, connectionsGuarded(conf, socket), latest)
}

// once runs checks once, that of the service after the others: it says how the service's complaints stand to what they find.
func (o observed) once(ctx context.Context, conf *config.Config, checks []check.Check, log *slog.Logger) []check.Result {
	others := slices.DeleteFunc(slices.Clone(checks), func(c check.Check) bool { return c.Name == service.Name })
	results := monitor.Once(ctx, others, checkWorkers, log)
	if len(others) == len(checks) {
		return results
	}
	if len(others) == 0 {
		o.lookUp(ctx, conf)
	}
	found := slices.Clone(results)
	own := o.check(conf, connectionsHere(conf), func() []check.Result { return found })
	return append(results, monitor.Once(ctx, own, 1, log)...)
}

// lookUp looks up the names of which no check has said where they lead: there is none, where the check of the service is
// run alone.
func (o observed) lookUp(ctx context.Context, conf *config.Config) {
	ctx, cancel := context.WithTimeout(ctx, resolveForService)
	defer cancel()
	for _, t := range serviceTargets(conf.Checks) {
		found, err := resolver.Addresses(ctx, t.Host)
		if err != nil {
			continue // it is told by its address then
		}
		var addresses []netip.Addr
		for _, a := range found.Addresses {
			addresses = append(addresses, a.Addr)
		}
		o.addresses.Learn(t.Host, addresses)
	}
}
