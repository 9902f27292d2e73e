package resolver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sallyport/check"
	"sallyport/netcheck/plain"
)

// ldapsPort is where a domain controller takes LDAP over TLS; its own SRV records name the port of plain LDAP only.
const ldapsPort = 636

// NoServerError says that a domain names no directory server.
type NoServerError struct {
	Domain string   // escaped
	Asked  []string // the names that were asked for, each of which does not exist, has no SRV record, or offers nothing
	Err    error    // what was answered last: an *Error
}

// Error is one sentence.
func (e *NoServerError) Error() string {
	return fmt.Sprintf("the domain %s names no directory server: no SRV record at %s", e.Domain,
		strings.Join(e.Asked, ", nor at "))
}

// Unwrap is what was answered last.
func (e *NoServerError) Unwrap() error { return e.Err }

// Discover finds the directory servers of a domain by their SRV records, in the order in which a client tries them: those
// of _ldaps._tcp, and where there is none, the domain controllers of an Active Directory (MS-ADTS sections 6.3.2.3 and
// 6.3.6.1), on 636 instead of the port of plain LDAP that they name. With starttls that port is the one wanted, and
// _ldaps._tcp is not. Servers are those that are asked, one after another until one knows; none are those of
// /etc/resolv.conf.
//
// The error is a *NoServerError where the domain is known not to name any, and else an *Error: nobody could tell. At most
// 32 targets are returned, and each host is a name that is still to be resolved.
func Discover(ctx context.Context, servers []Server, domain string, starttls bool) ([]Target, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	asked, err := orSystem(servers)
	if err != nil {
		return nil, &Error{Cause: check.DNSNoResolver, Name: plain.Text(domain, MaxText), Err: err}
	}
	domain = strings.TrimSuffix(domain, ".")
	none := &NoServerError{Domain: plain.Text(domain, MaxText)}
	if !starttls {
		targets, err := service(ctx, asked, "_ldaps._tcp."+domain, none)
		if len(targets) > 0 || err != nil {
			return targets, err
		}
	}
	targets, err := service(ctx, asked, "_ldap._tcp.dc._msdcs."+domain, none)
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		return nil, none
	}
	if !starttls {
		for i := range targets {
			targets[i].Port = ldapsPort
		}
	}
	return targets, nil
}

// orSystem asks the servers, or where there are none those of resolv.conf.
func orSystem(servers []Server) ([]*Exchanger, error) {
	if len(servers) > 0 {
		return Exchangers(servers), nil
	}
	conf, err := ReadConf(ConfPath)
	if err != nil {
		return nil, err
	}
	return conf.Exchangers(), nil
}

// service is the targets of a name, from the first server that knows. No target and no error is a name without any, which
// is noted in none.
func service(ctx context.Context, servers []*Exchanger, name string, none *NoServerError) ([]Target, error) {
	q, err := NewQuestion(name, "SRV")
	if err != nil {
		return nil, &Error{Cause: check.DNSNXDomain, Name: plain.Text(name, MaxText), Err: err}
	}
	var first *Error
	for _, x := range servers {
		a := x.lookup(ctx, q, Want{})
		switch {
		case a.Err == nil:
			return targetsOf(a.Verdict.records), nil
		case a.Err.Cause == check.DNSNXDomain, a.Err.Cause == check.DNSNoData:
			none.Asked, none.Err = append(none.Asked, q.String()), a.Err
			return nil, nil
		case first == nil:
			first = a.Err
		}
	}
	if first == nil {
		return nil, errors.New("no name server to ask")
	}
	return nil, first
}
