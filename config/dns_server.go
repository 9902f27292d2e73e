package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// How a DNS server is asked.
const (
	DNSOverUDP   = "udp"   // and TCP where an answer was truncated (RFC 1035, RFC 7766)
	DNSOverTCP   = "tcp"   // RFC 7766
	DNSOverTLS   = "tls"   // RFC 7858
	DNSOverHTTPS = "https" // RFC 8484
)

// The ports where nothing else is said (RFC 1035 section 4.2, RFC 7858 section 3.1, RFC 9110 section 4.2.2).
const (
	dnsPort   = 53
	tlsPort   = 853
	httpsPort = 443
)

// DNSServer is a server that names are asked for at, and how.
type DNSServer struct {
	Transport string         // udp, tcp, tls or https
	Address   netip.AddrPort // zero where the URL of https has a name
	Host      string         // of https, the URL's host; of tls, the name in the certificate, empty for the address
	URL       string         // of https, with its port only where it is not 443
}

// Certified says whether the server shows a certificate.
func (s DNSServer) Certified() bool { return s.Transport == DNSOverTLS || s.Transport == DNSOverHTTPS }

// Endpoint is the host, by address or name, and the port that are connected to.
func (s DNSServer) Endpoint() (host string, port uint16) {
	if s.Address.IsValid() {
		return s.Address.Addr().String(), s.Address.Port()
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return s.Host, httpsPort // never: it was read as a URL
	}
	if number, ok := parsePort(u.Port()); ok {
		return s.Host, number
	}
	return s.Host, httpsPort
}

// String is the server as the file may name it, with its port.
func (s DNSServer) String() string {
	switch {
	case s.Transport == DNSOverHTTPS:
		return s.URL
	case s.Transport == DNSOverUDP:
		return s.Address.String()
	case s.Host != "":
		return s.Transport + "://" + s.Address.String() + "#" + s.Host
	}
	return s.Transport + "://" + s.Address.String()
}

// servers is the form of a DNS server: an address, with a port where it is not 53, or a URL that says how it is asked.
func servers() form[DNSServer] {
	const v4, v6 = `[0-9.]+(:[0-9]{1,5})?`, `[0-9A-Fa-f:.]+(%[0-9A-Za-z._-]+)?`
	const v6port = `\[` + v6 + `\]:[0-9]{1,5}`
	const at = `(` + v4 + `|\[` + v6 + `\](:[0-9]{1,5})?)`
	const host = `(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?`
	const pattern = `^(` + v4 + `|` + v6 + `|` + v6port + `|tcp://` + at + `|tls://` + at + `(#[0-9A-Za-z._-]+)?` +
		`|https://` + host + `/[^?#{}\s]*)$`
	return parsed(pattern, parseServer)
}

func parseServer(s string) (server DNSServer, message, mend string) {
	scheme, rest, isURL := strings.Cut(s, "://")
	switch {
	case !isURL:
		return plainServer(DNSOverUDP, s, s)
	case scheme == DNSOverUDP:
		return server, quote(s) + " is written as a URL", "write the address alone: " + rest
	case scheme == DNSOverTCP:
		return plainServer(DNSOverTCP, s, rest)
	case scheme == DNSOverTLS:
		return tlsServer(s, rest)
	case scheme == DNSOverHTTPS:
		return httpsServer(s)
	}
	return server, quote(scheme) + " is not how a DNS server is asked",
		"write an address, as in 10.0.0.53, or tcp://10.0.0.53, tls://10.0.0.53#name or https://host/dns-query"
}

// plainServer is a server without a name, which is all that s has where it is no URL, and what follows :// where it is.
func plainServer(transport, s, written string) (server DNSServer, message, mend string) {
	server = DNSServer{Transport: transport}
	form := "write an address, as in 10.0.0.53, 10.0.0.53:5353 or [2001:db8::53]:5353; " +
		"a resolver cannot resolve its own name"
	if transport == DNSOverTCP {
		form = "write tcp:// and an address, as in tcp://10.0.0.53 or tcp://[2001:db8::53]:5353; " +
			"a resolver cannot resolve its own name"
	}
	server.Address, message, mend = parseServerAddress(s, written, dnsPort, transport != DNSOverUDP, form)
	return server, message, mend
}

// tlsServer is a server that is asked over TLS: tls://address, with a port and # and the certificate's name where given.
func tlsServer(s, rest string) (server DNSServer, message, mend string) {
	const form = "write tls:// and an address, with the name in the certificate after #, as in " +
		"tls://10.0.0.53#dns.corp.example or tls://[2001:db8::53]:8853; a resolver cannot resolve its own name"
	where, name, named := strings.Cut(rest, "#")
	server = DNSServer{Transport: DNSOverTLS, Host: name}
	server.Address, message, mend = parseServerAddress(s, where, tlsPort, true, form)
	switch {
	case message != "" || !named:
		return server, message, mend
	case name == "":
		return server, quote(s) + " has no name after #", form
	}
	message, mend = checkHost(name)
	return server, message, mend
}

// parseServerAddress is an address with its port. In a URL, one of IPv6 stands in brackets (RFC 3986 section 3.2.2).
func parseServerAddress(s, where string, port uint16, inURL bool, form string) (
	at netip.AddrPort, message, mend string,
) {
	bare, bracketed := strings.CutPrefix(where, "[")
	if inURL && bracketed && strings.HasSuffix(bare, "]") {
		where = strings.TrimSuffix(bare, "]")
	}
	if addr, err := netip.ParseAddr(where); err == nil {
		if inURL && addr.Is6() && !bracketed {
			return at, quote(s) + " has an IPv6 address without brackets", "write the address as in [" + where + "]"
		}
		return checkServer(s, netip.AddrPortFrom(addr.Unmap(), port))
	}
	if at, err := netip.ParseAddrPort(where); err == nil {
		return checkServer(s, netip.AddrPortFrom(at.Addr().Unmap(), at.Port()))
	}
	return at, quote(s) + " is not the address of a server", form
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

// httpsServer is a server that is asked over HTTPS: its whole URL, without a template's variable (RFC 8484 section 4.1).
func httpsServer(s string) (server DNSServer, message, mend string) {
	const form = "write the whole URL, as in https://10.0.0.53/dns-query or https://dns.corp.example:8443/dns-query"
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil, err != nil && strings.Contains(s, "@"):
		return server, "a secret does not belong in the configuration",
			form + ", and change the secret if others could read this file"
	case err != nil || u.Host == "":
		return server, quote(s) + " is not a URL", form
	case u.Path == "":
		return server, quote(s) + " has no path",
			"write " + strings.TrimRight(s, "?#") + "/dns-query, or the path that the server has"
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(s, "{}#"):
		return server, quote(s) + " has more than a path", form
	}
	e, message, mend := parseAuthority(s, u.Host, httpsPort, form)
	if message != "" {
		return server, message, mend
	}
	server = DNSServer{Transport: DNSOverHTTPS, Host: e.host}
	if addr, err := netip.ParseAddr(e.host); err == nil {
		if server.Address, message, mend = checkServer(s, netip.AddrPortFrom(addr.Unmap(), e.port)); message != "" {
			return server, message, mend
		}
	}
	server.URL = (&url.URL{Scheme: u.Scheme, Host: e.authority(httpsPort), Path: u.Path, RawPath: u.RawPath}).String()
	return server, "", ""
}

// authority is the host and port as a URL has them, without the port that goes without saying.
func (e endpoint) authority(usual uint16) string {
	host := e.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if e.port == usual {
		return host
	}
	return net.JoinHostPort(e.host, strconv.Itoa(int(e.port)))
}
