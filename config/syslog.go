package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func syslogForm() form[Syslog] {
	to := syslogURLs()
	s := to.schema
	s.Description = "unix://path, udp://host[:514], tcp://host[:514] or tls://host[:6514]."
	s.sample = `"unix:///dev/log"`
	return object([]key[Syslog]{
		{name: "to", required: true, schema: s, read: func(r *reader, n ast.Node, into *Syslog) bool {
			v, ok := to.read(r, n)
			into.Network, into.Address = v.Network, v.Address
			return ok
		}},
		field("ca_file", "The authorities that a tls server is judged by; the system's unless set.", certificates(),
			func(s *Syslog) *string { return &s.CAFile }).
			sample("/etc/ssl/logs-ca.pem").aside(),
	}, func(r *reader, f *found, s *Syslog) {
		if f.has("to", "ca_file") && s.Network != "tls" {
			r.wrong(f.at("ca_file"), "write tls:// in to, or remove ca_file",
				"there is a ca_file, but %s shows no certificate", s.Network)
		}
	})
}

// syslogURLs is the form of a syslog server. The ports are those of RFC 5426 section 3.3, of custom for TCP (RFC 6587
// names none that is its own) and of RFC 5425 section 4.1.
func syslogURLs() form[Syslog] {
	const host = `(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+)(:[0-9]{1,5})?/?`
	return parsed(`^(unix:///.+|(udp|tcp|tls)://`+host+`)$`, func(s string) (Syslog, string, string) {
		const form = "write unix:///dev/log, udp://host:514, tcp://host:514 or tls://host:6514"
		network, rest, ok := strings.Cut(s, "://")
		if !ok {
			return Syslog{}, quote(s) + " is not a URL", form
		}
		port := uint16(514)
		switch network {
		case "unix":
			return unixSyslog(s, rest)
		case "tls":
			port = 6514
		case "udp", "tcp":
		default:
			return Syslog{}, quote(network) + " is not how a syslog server is reached", form
		}
		e, message, mend := parseAuthority(s, strings.TrimSuffix(rest, "/"), port, form)
		return Syslog{Network: network, Address: e.String()}, message, mend
	})
}

func unixSyslog(s, path string) (Syslog, string, string) {
	const longest = 107 // unix(7), sun_path
	switch {
	case !strings.HasPrefix(path, "/"):
		return Syslog{}, quote(s) + " has no absolute path", "write three slashes: unix:///dev/log"
	case len(path) > longest:
		return Syslog{}, "the path of the socket is longer than 107 bytes", "name a socket with a shorter path"
	}
	return Syslog{Network: "unix", Address: path}, "", ""
}
