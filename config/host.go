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

// The schemes of a directory's URL, and the ports where nothing else is said (RFC 4511 section 5.2.1 for LDAP; IANA's
// registry for LDAPS).
const (
	schemeLDAPS = "ldaps"
	schemeLDAP  = "ldap"
	ldapsPort   = 636
	ldapPort    = 389
)

// directories is the form of the URL of a directory: ldaps://host, ldaps://host:port, and those of ldap://.
func directories() form[endpoint] {
	return parsed(`^ldaps?://(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?/?$`, parseDirectory)
}

func parseDirectory(s string) (e endpoint, message, mend string) {
	const form = "write ldaps://host or ldaps://host:port, as in ldaps://dc1.corp.example:636"
	scheme, rest, isURL := strings.Cut(s, "://")
	host, _, _ := strings.Cut(strings.TrimSuffix(rest, "/"), ":")
	port := uint16(ldapsPort)
	if scheme == schemeLDAP {
		port = ldapPort
	}
	switch {
	case !isURL:
		return e, "this is not a URL", form
	case scheme != schemeLDAPS && scheme != schemeLDAP:
		return e, quote(scheme) + " is not how a directory is reached", form
	case strings.Contains(rest, "@"):
		return e, "a secret does not belong in the configuration",
			"write ldaps://host, bind_dn and password_file, and change the secret if others could read this file"
	case host == "":
		return e, quote(s) + " has no host", form
	}
	return parseAuthority(s, strings.TrimSuffix(rest, "/"), port, form)
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
