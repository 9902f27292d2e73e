package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// The sizes of a domain name (RFC 1035 section 2.3.4).
const (
	maxLabel = 63
	maxName  = 253
)

// endpoint is a host, by name or address, and a port.
type endpoint struct {
	host string
	port uint16
}

func (e endpoint) String() string { return net.JoinHostPort(e.host, strconv.Itoa(int(e.port))) }

// endpoints is the form of host:port.
func endpoints() form[endpoint] {
	return parsed(`^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+):[0-9]{1,5}$`, parseEndpoint)
}

func parseEndpoint(s string) (e endpoint, message, mend string) {
	const form = "write host:port, as in console.us.code42.com:443, 192.0.2.7:443 or [2001:db8::7]:443"
	if _, rest, isURL := strings.Cut(s, "://"); isURL {
		host, _, _ := strings.Cut(rest, "/")
		if !strings.Contains(host, ":") {
			host += ":443"
		}
		return e, quote(s) + " is a URL, not host:port", "write " + host
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Is6() {
		return e, quote(s) + " has no port", "write [" + s + "]:443"
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if !strings.Contains(s, ":") {
			return e, quote(s) + " has no port", "write " + s + ":443"
		}
		return e, quote(s) + " is not host:port", form
	}
	if host == "" {
		return e, quote(s) + " has no host", form
	}
	if message, mend := checkHost(host); message != "" {
		return e, message, mend
	}
	number, ok := parsePort(port)
	if !ok {
		return e, quote(port) + " is not a port", "ports are from 1 to 65535"
	}
	return endpoint{host: host, port: number}, "", ""
}

// hosts is the form of a host's name or address.
func hosts() form[string] {
	return parsed(`^[0-9A-Za-z._:-]+$`, func(s string) (string, string, string) {
		message, mend := checkHost(s)
		return s, message, mend
	})
}

// checkHost is what is wrong with the name or address of a host.
func checkHost(s string) (message, mend string) {
	if _, err := netip.ParseAddr(s); err == nil {
		return "", ""
	}
	last := s[strings.LastIndex(s, ".")+1:]
	if digits(last) || strings.Contains(s, ":") {
		return quote(s) + " is neither a name nor an address",
			"write a host name, or an address as in 192.0.2.7 or 2001:db8::7"
	}
	if strings.HasSuffix(s, ".") {
		return quote(s) + " ends in a point", "write it without: certificates do not have it"
	}
	return checkName(s)
}

// checkName is what is wrong with a domain name; underscores are common in the names of services.
func checkName(s string) (message, mend string) {
	name := strings.TrimSuffix(s, ".")
	if strings.ContainsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		return quote(s) + " is not a name in ASCII", "write the form that begins with xn-- (idn2 prints it)"
	}
	if len(name) > maxName {
		return "the name is longer than 253 characters", "shorten it (RFC 1035 section 2.3.4)"
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return quote(s) + " has an empty label", "write one point between two labels"
		case len(label) > maxLabel:
			return quote(label) + " is longer than 63 characters", "shorten the label (RFC 1035 section 2.3.4)"
		case strings.HasPrefix(label, "-"), strings.HasSuffix(label, "-"), strings.ContainsFunc(label, notInLabel):
			return quote(s) + " is not a host name", "write letters, digits, hyphens and points, as in console.us.code42.com"
		}
	}
	return "", ""
}

func notInLabel(r rune) bool {
	return !isLetter(r) && (r < '0' || r > '9') && r != '-' && r != '_'
}

// servers is the form of a DNS server: an address, with a port where it is not 53.
func servers() form[netip.AddrPort] {
	const v6 = `[0-9A-Fa-f:.]+(%[0-9A-Za-z._-]+)?`
	const pattern = `^([0-9.]+(:[0-9]{1,5})?|` + v6 + `|\[` + v6 + `\]:[0-9]{1,5})$`
	return parsed(pattern, func(s string) (netip.AddrPort, string, string) {
		const dnsPort = 53
		if addr, err := netip.ParseAddr(s); err == nil {
			return checkServer(s, netip.AddrPortFrom(addr.Unmap(), dnsPort))
		}
		if at, err := netip.ParseAddrPort(s); err == nil {
			return checkServer(s, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
		}
		return netip.AddrPort{}, quote(s) + " is not the address of a server",
			"write an address, as in 10.0.0.53, 10.0.0.53:5353 or [2001:db8::53]:5353; " +
				"a resolver cannot resolve its own name"
	})
}

func checkServer(s string, at netip.AddrPort) (netip.AddrPort, string, string) {
	switch {
	case at.Port() == 0:
		return at, quote(s) + " has the port 0", "ports are from 1 to 65535"
	case at.Addr().IsUnspecified(), at.Addr().IsMulticast():
		return at, quote(s) + " is no server's address", "write the address that the server has"
	}
	return at, "", ""
}

// directories is the form of the URL of a directory: ldaps://host, ldaps://host:port.
func directories() form[endpoint] {
	return parsed(`^ldaps://(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?/?$`, parseDirectory)
}

func parseDirectory(s string) (e endpoint, message, mend string) {
	const form = "write ldaps://host or ldaps://host:port, as in ldaps://dc1.corp.example:636"
	scheme, rest, isURL := strings.Cut(s, "://")
	host, _, _ := strings.Cut(strings.TrimSuffix(rest, "/"), ":")
	switch {
	case !isURL:
		return e, "this is not a URL", form
	case scheme == "ldap":
		return e, "ldap:// sends the password in clear, and StartTLS is not spoken here", "write ldaps://" + hostOnly(rest)
	case scheme != "ldaps":
		return e, quote(scheme) + " is not how a directory is reached", form
	case strings.Contains(rest, "@"):
		return e, "a secret does not belong in the configuration",
			"write ldaps://host, bind_dn and password_file, and change the secret if others could read this file"
	case host == "":
		return e, quote(s) + " has no host", form
	}
	return parseAuthority(s, strings.TrimSuffix(rest, "/"), 636, form)
}

// hostOnly is the host of what follows :// in a URL, without user, port and path.
func hostOnly(rest string) string {
	u, err := url.Parse("x://" + rest)
	if err != nil || u.Hostname() == "" {
		return "host"
	}
	if strings.Contains(u.Hostname(), ":") {
		return "[" + u.Hostname() + "]"
	}
	return u.Hostname()
}

// parseAuthority is the host and port of a URL that has nothing else.
func parseAuthority(s, rest string, port uint16, form string) (e endpoint, message, mend string) {
	u, err := url.Parse("x://" + rest)
	if err != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil ||
		strings.HasSuffix(rest, ":") {
		return e, quote(s) + " has more than a host and a port", form
	}
	if message, mend := checkHost(u.Hostname()); message != "" {
		return e, message, mend
	}
	if u.Port() != "" {
		number, ok := parsePort(u.Port())
		if !ok {
			return e, quote(u.Port()) + " is not a port", "ports are from 1 to 65535"
		}
		port = number
	}
	return endpoint{host: u.Hostname(), port: port}, "", ""
}
