package netcheck

import (
	"context"
	"net/netip"
	"strings"

	"sallyport/check"
)

// diagnoseName says why Go's resolver failed with err for host: it asks the servers of resolv.conf itself, for the
// resolver's own error tells a missing name from a missing record no better than a refusal from a failure. It ends
// with ctx; when nothing is left of it, or the servers now answer, err's own words decide.
func diagnoseName(ctx context.Context, host string, err error) *DNSError {
	return diagnoseNameBy(ctx, resolvConfPath, 0, host, err)
}

// diagnoseNameBy is diagnoseName for a resolv.conf at path whose servers listen on port, 0 for the usual one.
func diagnoseNameBy(ctx context.Context, path string, port uint16, host string, err error) *DNSError {
	ctx, cancel := withDeadline(ctx, defaultDNSTimeout)
	defer cancel()
	conf, confErr := readResolvConf(path)
	if confErr != nil {
		return &DNSError{Cause: check.DNSNoResolver, Name: cleanText(host, maxDNSText), Err: confErr}
	}
	question, nameErr := newDNSQuestion(conf.names(host)[0], "A")
	if nameErr != nil {
		return &DNSError{Cause: check.DNSNXDomain, Name: cleanText(host, maxDNSText), Err: nameErr}
	}
	servers := conf.servers
	if port != 0 {
		servers = withPort(servers, port)
	}
	if ctx.Err() == nil {
		if told := firstTold(askServers(ctx, servers, question, nil)); told != nil {
			return told
		}
	}
	return ownWords(host, err)
}

func withPort(servers []netip.AddrPort, port uint16) []netip.AddrPort {
	moved := make([]netip.AddrPort, len(servers))
	for i, s := range servers {
		moved[i] = netip.AddrPortFrom(s.Addr(), port)
	}
	return moved
}

// firstTold is the error that a stub resolver would end with: the first definite one, else the first one. It is nil
// when a server answers well.
func firstTold(answers []serverAnswer) *DNSError {
	var first *DNSError
	for _, a := range answers {
		switch {
		case a.err == nil:
			return nil
		case a.err.Cause == "":
			continue // cancelled
		case a.err.definite() && a.err.Cause != check.DNSMismatch:
			return a.err
		case first == nil:
			first = a.err
		}
	}
	return first
}

// ownWords is the resolver's own error as a DNSError.
func ownWords(host string, err error) *DNSError {
	e := &DNSError{Cause: check.DNSServFail, Name: cleanText(host, maxDNSText), Err: err}
	if cause, detail, ok := classifyDNS(err); ok {
		e.Cause, e.Detail = cause, detail
	} else if isTimeout(err) {
		e.Cause = check.DNSTimeout
	}
	return e
}

// isUnreachableText looks into the words of Go's resolver, which keeps the system's error only as text.
func isUnreachableText(s string) bool {
	for _, part := range []string{"connection refused", "no route to host", "network is unreachable",
		"operation not permitted", "permission denied", "invalid argument"} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}
