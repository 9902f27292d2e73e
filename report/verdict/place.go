package verdict

import (
	"net"
	"net/netip"
	"strings"

	"sallyport/check"
)

// place is where an endpoint is: an address and a port, as far as its label tells them.
type place struct {
	address netip.Addr // zero where the label has none
	host    string     // the name before it, in lower case; empty where the label has none
	port    string
	label   string
}

// placeOf reads an endpoint's label: 10.0.0.36:636, tcp://10.0.0.53:53, or dc1:636 (10.0.0.36). One behind a proxy is no
// place that this host has reached for: its label alone is kept.
func placeOf(label string) place {
	p := place{label: label}
	if strings.Contains(label, " via ") {
		return p
	}
	rest := label
	if _, after, ok := strings.Cut(rest, "://"); ok {
		rest, _, _ = strings.Cut(after, "#")
		rest, _, _ = strings.Cut(rest, "/")
	}
	named, inside, ok := strings.Cut(rest, " (")
	if ok {
		rest = named
	}
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		return p
	}
	if ok {
		p.host = canonical(host)
		host = strings.TrimSuffix(inside, ")")
	}
	if address, err := netip.ParseAddr(host); err == nil {
		p.address, p.port = address.Unmap(), port
	}
	return p
}

// hostOf is the host that a check is about, in lower case, by its target: of a query, a host:port, or a URL.
func hostOf(r check.Result) string {
	target, _, _ := strings.Cut(strings.TrimSpace(r.Target), " ")
	if _, after, ok := strings.Cut(target, "://"); ok {
		target, _, _ = strings.Cut(after, "/")
	}
	if host, _, err := net.SplitHostPort(target); err == nil {
		target = host
	}
	return canonical(target)
}

// canonical is a name as names are compared (RFC 4343).
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
