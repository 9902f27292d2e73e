package netcheck

import (
	"fmt"
	"time"
)

// This file is what evidence says of the things that checks share, by which failures with one root are told as one: the
// resolver, the proxy, the authority, the clock, the account, the trust store of Java, and who on
// this host ends connections.

// Resolvers are those by which the name could not be resolved.
func (e UnreachedEvidence) Resolvers() []string { return oneOrNone(e.Resolver) }

// ProxyAddress is that of the proxy, as address:port; empty for none.
func (e UnreachedEvidence) ProxyAddress() string { return e.Proxy }

// ProxyAddress is that of the proxy, as address:port; empty for none.
func (e *TLSEvidence) ProxyAddress() string {
	if e == nil || len(e.Connections) == 0 {
		return ""
	}
	return e.Connections[0].Proxy
}

// Issuer is the authority that the last certificate sent names; empty where none was sent.
func (e *TLSEvidence) Issuer() string {
	if e == nil || len(e.Certificates) == 0 {
		return ""
	}
	return e.Certificates[len(e.Certificates)-1].Issuer
}

// ClockAhead is by how much the server's clock is ahead of this host's, where it was asked and told.
func (e *TLSEvidence) ClockAhead() (ahead time.Duration, known bool) {
	if e == nil || e.ClockAheadMS == nil {
		return 0, false
	}
	return time.Duration(*e.ClockAheadMS) * time.Millisecond, true
}

// JavaStore is the trust store of the service's Java by which the chain was judged; empty where it was not.
func (e *TLSEvidence) JavaStore() string {
	if e == nil || e.Java == nil {
		return ""
	}
	return e.Java.Store
}

// Resolvers are those by which a name could not be resolved.
func (e LDAPSEvidence) Resolvers() []string { return oneOrNone(e.Resolver) }

// Issuer is that of the TLS handshakes.
func (e LDAPSEvidence) Issuer() string { return e.TLS.Issuer() }

// JavaStore is that of the TLS handshakes.
func (e LDAPSEvidence) JavaStore() string { return e.TLS.JavaStore() }

// Account is the user that the check binds as; empty for the anonymous one, and for that of a client certificate.
func (e LDAPSEvidence) Account() string { return e.BindDN }

// ClockAhead is by how much the directory's clock is ahead of this host's, where it told: bound, or before the handshake
// was believed.
func (e LDAPSEvidence) ClockAhead() (ahead time.Duration, known bool) {
	for _, server := range e.Servers {
		if root := server.RootDSE; root != nil && root.ClockAheadMS != nil {
			return time.Duration(*root.ClockAheadMS) * time.Millisecond, true
		}
	}
	return e.TLS.ClockAhead()
}

// Blockers tell who on this host ends connections.
func (e *TLSEvidence) Blockers() []string {
	if e == nil {
		return nil
	}
	var all []string
	for i := range e.BlockedBy {
		all = append(all, e.BlockedBy[i].subject())
	}
	return all
}

// Blockers are those of the connections.
func (e LDAPSEvidence) Blockers() []string { return e.TLS.Blockers() }

// Blockers tell who on this host ends the packets to servers.
func (e DNSEvidence) Blockers() []string {
	var all []string
	for i := range e.Servers {
		if by := e.Servers[i].BlockedBy; by != nil {
			all = append(all, by.subject())
		}
	}
	return all
}

// subject is the blocker as the beginning of a sentence that the hosts end whose connections it ends.
func (b *Blocker) subject() string {
	does := " keeps this host from reaching"
	if b.Answer {
		does = " lets no answer in from"
	}
	switch {
	case b.Table == "":
		return "legacy iptables, a program on a queue or connection tracking" + does
	case b.Own && !b.Answer:
		return "Sallyport's own egress policy (firewall.egress)" + does
	}
	rule := "the policy"
	if b.Handle != 0 {
		rule = fmt.Sprintf("rule %d", b.Handle)
	}
	if b.Rule != "" {
		rule += " (" + b.Rule + ")"
	}
	return fmt.Sprintf("this host's own table %s %s, chain %s, %s,%s", b.Family, b.Table, b.Chain, rule, does)
}

func oneOrNone(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
