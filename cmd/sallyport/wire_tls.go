package main

import (
	"sallyport/check"
	"sallyport/config"
	"sallyport/netcheck"
	"sallyport/tlsprobe"
)

func wireTLS(c config.TLS, roots *tlsprobe.Roots, kept kept, reaching netcheck.Reaching, after []string) check.Check {
	target := netcheck.TLSTarget{Server: wireServer(c.Name, c.Server, roots, kept.java, reaching), HTTP: wireHTTP(c.HTTP)}
	target.ALPN, target.Seen, target.Blocked = c.ALPN, kept.seen, kept.blocked
	target.Revocation = kept.revoking(c.Server)
	if c.Proxy != nil {
		target.Proxy = &netcheck.Proxy{Host: c.Proxy.Host, Port: c.Proxy.Port, User: c.Proxy.User,
			PasswordFile: c.Proxy.PasswordFile, Refused: kept.refused}
	}
	return scheduled(c.Schedule, check.Check{
		Name: c.Name, Kind: check.KindTLS, Target: target.String(), After: after, Run: netcheck.TLS(target),
	})
}

// door is the host that a check connects to: the proxy's, where it has one.
func door(c config.TLS) string {
	if c.Proxy != nil {
		return c.Proxy.Host
	}
	return c.Host
}

func wireHTTP(c *config.HTTP) *netcheck.HTTPRequest {
	if c == nil {
		return nil
	}
	request := &netcheck.HTTPRequest{Method: c.Method, Path: c.Path}
	for _, s := range c.Statuses {
		request.Statuses = append(request.Statuses, netcheck.StatusRange(s))
	}
	return request
}
