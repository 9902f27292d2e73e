package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/config"
	"sallyport/netcheck"
	"sallyport/netcheck/dnssec"
	"sallyport/netcheck/resolver"
	"sallyport/tlsprobe"
)

// wireChecks turns the configuration's checks into ones that run, in the order of the file: dns, tls, ldaps. Trust roots
// are read once, here. What is kept outlives a reload. Reaching is told where each is about to connect to.
func wireChecks(conf *config.Config, kept kept, reaching netcheck.Reaching) ([]check.Check, error) {
	passwords, err := storePasswords(conf.Trust)
	if err != nil {
		return nil, err
	}
	trust := newTrust(conf.Trust, passwords)
	kept.java = wireJava(conf, passwords, kept.stores)
	var checks []check.Check
	for _, c := range conf.Checks.DNS {
		secure, err := trust.secureDNS(c)
		if err != nil {
			return nil, err
		}
		validator, err := dnsValidator(c)
		if err != nil {
			return nil, err
		}
		checks = append(checks, wireDNS(c, secure, validator, kept.blocked))
	}
	for _, c := range conf.Checks.TLS {
		roots, err := trust.roots(c.Name, c.Roots)
		if err != nil {
			return nil, err
		}
		checks = append(checks, wireTLS(c, roots, kept, reaching, resolvers(conf.Checks.DNS, door(c))))
	}
	for _, c := range conf.Checks.LDAPS {
		roots, err := trust.roots(c.Name, c.Roots)
		if err != nil {
			return nil, err
		}
		checks = append(checks, wireLDAPS(c, roots, kept, reaching, conf.Checks))
	}
	for i := range checks {
		checks[i].Run = waiving(conf.Waivers, checks[i])
	}
	return checks, nil
}

func wireDNS(
	c config.DNS, secure resolver.Secure, validator *dnssec.Validator, blocked netcheck.Blocked,
) check.Check {
	return scheduled(c.Schedule, check.Check{
		Name: c.Name, Kind: check.KindDNS, Target: c.Query + " " + c.Type,
		Run: netcheck.DNS(netcheck.DNSTarget{Query: c.Query, Type: c.Type, Servers: dnsServers(c.Servers, secure),
			Expect: c.Expect, Search: c.Search, Authenticated: c.Dnssec == config.DnssecRequire,
			Validator: validator, Blocked: blocked}),
	})
}

// dnsValidator is what a dns check validates with: from the anchors of its file, or from the root's; nil where it does not.
func dnsValidator(c config.DNS) (*dnssec.Validator, error) {
	switch {
	case c.Dnssec != config.DnssecValidate:
		return nil, nil
	case c.TrustAnchor == "":
		return dnssec.NewValidator(dnssec.RootAnchors()), nil
	}
	anchors, err := dnssec.ReadAnchors(c.TrustAnchor)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", c.Name, err)
	}
	return dnssec.NewValidator(anchors), nil
}

// dnsServers are the servers of a dns check; those that show a certificate are shaken hands with by secure.
func dnsServers(configured []config.DNSServer, secure resolver.Secure) []resolver.Server {
	transports := map[string]resolver.Transport{
		config.DNSOverUDP: resolver.UDP, config.DNSOverTCP: resolver.TCP,
		config.DNSOverTLS: resolver.TLS, config.DNSOverHTTPS: resolver.HTTPS,
	}
	servers := make([]resolver.Server, 0, len(configured))
	for _, s := range configured {
		servers = append(servers, resolver.Server{
			Transport: transports[s.Transport], Address: s.Address, Host: s.Host, URL: s.URL,
			Secure: secure,
		})
	}
	return servers
}

func wireLDAPS(
	c config.LDAPS, roots *tlsprobe.Roots, kept kept, reaching netcheck.Reaching, all config.Checks,
) check.Check {
	target := netcheck.LDAPSTarget{
		Server:   wireServer(c.Name, c.Server, roots, kept.java, reaching),
		StartTLS: c.StartTLS, Discover: c.Discover,
		BindDN: c.BindDN, PasswordFile: c.PasswordFile, SASLExternal: c.SASLExternal,
		BaseDN: c.BaseDN, Filter: c.Filter, MinEntries: c.MinEntries, MaxEntries: c.MaxEntries,
		PageSize: c.PageSize, Paged: c.Paged, FollowReferrals: c.FollowReferrals,
		Directories: directoriesOf(all.LDAPS, c.BindDN), Refused: kept.refused,
	}
	target.Seen, target.Blocked, target.Revocation = kept.seen, kept.blocked, kept.revoking(c.Server)
	return scheduled(c.Schedule, check.Check{
		Name: c.Name, Kind: check.KindLDAPS, Target: directory(c),
		After: resolvers(all.DNS, c.Host), Run: netcheck.LDAPS(target),
	})
}

// directory is the directory of a check as a URL; one that is discovered has no port.
func directory(c config.LDAPS) string {
	scheme := "ldaps://"
	if c.StartTLS {
		scheme = "ldap://"
	}
	if c.Discover != "" {
		return scheme + c.Discover
	}
	return scheme + net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

func scheduled(s config.Schedule, c check.Check) check.Check {
	c.Interval, c.Timeout, c.FailAfter, c.RecoverAfter = s.Interval, s.Timeout, s.FailAfter, s.RecoverAfter
	return c
}

// resolvers names the dns checks on which a target depends: those that ask for its name. One for AAAA counts only where
// none asks for A: a host without IPv6 addresses is still reached. One that wants more than an answer (expect, dnssec)
// counts only where none wants less. One that asks servers by TLS or HTTPS alone does not count: this host's own
// resolution does not go there.
func resolvers(checks []config.DNS, host string) []string {
	type ask struct {
		kind string
		more bool
	}
	asks := map[ask][]string{}
	for _, c := range checks {
		aside := len(c.Servers) > 0 && !slices.ContainsFunc(c.Servers, plainDNS)
		if !aside && strings.EqualFold(strings.TrimSuffix(c.Query, "."), strings.TrimSuffix(host, ".")) {
			of := ask{c.Type, len(c.Expect) > 0 || c.Dnssec == config.DnssecRequire || c.Dnssec == config.DnssecValidate}
			asks[of] = append(asks[of], c.Name)
		}
	}
	for _, of := range []ask{{"A", false}, {"A", true}, {"AAAA", false}, {"AAAA", true}} {
		if len(asks[of]) > 0 {
			return asks[of]
		}
	}
	return nil
}

func plainDNS(s config.DNSServer) bool { return !s.Certified() }

// trust reads each list of roots once.
type trust struct {
	fallback  []string
	passwords []string // of Java's stores
	read      map[string]*tlsprobe.Roots
}

func newTrust(t config.Trust, passwords []string) *trust {
	return &trust{fallback: t.Roots, passwords: passwords, read: map[string]*tlsprobe.Roots{}}
}

func (t *trust) roots(name string, sources []string) (*tlsprobe.Roots, error) {
	if len(sources) == 0 {
		sources = t.fallback
	}
	key := strings.Join(sources, "\x00")
	if roots, ok := t.read[key]; ok {
		return roots, nil
	}
	roots, err := tlsprobe.LoadRoots(sources, t.passwords...)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", name, err)
	}
	t.read[key] = roots
	return roots, nil
}

// secureDNS is how the servers of a dns check are shaken hands with; nil where none of them shows a certificate, so that a
// host without authorities can still ask the others.
func (t *trust) secureDNS(c config.DNS) (resolver.Secure, error) {
	if !slices.ContainsFunc(c.Servers, config.DNSServer.Certified) {
		return nil, nil
	}
	roots, err := t.roots(c.Name, c.Roots)
	if err != nil {
		return nil, err
	}
	return netcheck.SecureDNS(roots), nil
}

// waiving is the check's Run with the waivers applied to what it finds.
func waiving(waivers []config.Waiver, c check.Check) func(context.Context) check.Result {
	mine := slices.DeleteFunc(slices.Clone(waivers), func(w config.Waiver) bool { return w.Check != c.Name })
	if len(mine) == 0 {
		return c.Run
	}
	return func(ctx context.Context) check.Result {
		r := c.Run(ctx)
		r.Check = c.Name
		return waive(mine, r, time.Now())
	}
}

// waive is the result with the waiver of its check applied: what does not hold is waived while the waiver is in force,
// and what a waiver that ran out no longer covers says so.
func waive(waivers []config.Waiver, r check.Result, now time.Time) check.Result {
	if r.Status != check.Fail && r.Status != check.Warn {
		return r
	}
	for _, w := range waivers {
		switch {
		case w.Check != r.Check:
		case now.Before(w.Expires):
			r.Status = check.Waived
			r.Detail = fmt.Sprintf("waived until %s (%s): %s", w.Expires.Format(time.DateOnly), w.Reason, r.Detail)
			return r
		default:
			r.Detail += fmt.Sprintf(" (the waiver of it ran out on %s)", w.Expires.Format(time.DateOnly))
			return r
		}
	}
	return r
}
