package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

func reportForm() form[Report] {
	return object([]key[Report]{
		field("syslog", "Syslog servers that are told of each change of state (RFC 5424).", list(syslogForm(), 0),
			func(p *Report) *[]Syslog { return &p.Syslog }).byDefault("[]"),
		field("metrics", "Metrics in the format of Prometheus.", metricsForm(),
			func(p *Report) *string { return &p.Metrics }),
		field("textfile", "A file for the textfile collector of node_exporter; its name ends in .prom.", promFiles(),
			func(p *Report) *string { return &p.Textfile }).sample("/var/lib/prometheus/node-exporter/sallyport.prom"),
		field("history", "Where changes of state, and who knocked, are kept.", historyForm(),
			func(p *Report) **History { return &p.History }).
			sample("{path: /var/lib/sallyport/history.db, keep: 90d}").aside(),
	}, nil)
}

// metricsForm is the form of report.metrics.
func metricsForm() form[string] {
	return object([]key[string]{
		field("listen", "Where to listen, as address:port.", listeners(), func(s *string) *string { return s }).
			needed().sample(`"127.0.0.1:9636"`),
	}, nil)
}

// listeners is the form of an address to listen on.
func listeners() form[string] {
	return parsed(`^(\[[0-9A-Fa-f:.]+\]|[0-9.]+|localhost):[0-9]{1,5}$`, func(s string) (string, string, string) {
		const form = "write address:port, as in 127.0.0.1:9636 or [::1]:9636"
		host, port, err := net.SplitHostPort(s)
		if err != nil {
			return "", quote(s) + " is not address:port", form
		}
		if host == "" {
			return "", quote(s) + " names no address", "write 127.0.0.1:" + port + ", or 0.0.0.0:" + port +
				" if everybody is meant"
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			return "", quote(host) + " is not an address of this host", form
		}
		if _, ok := parsePort(port); !ok {
			return "", quote(port) + " is not a port", "ports are from 1 to 65535"
		}
		return s, "", ""
	})
}

// promFiles is the form of a path that node_exporter reads: its collector takes *.prom and nothing else.
func promFiles() form[string] {
	f := paths()
	f.schema.Pattern = `^/.*[^/]\.prom$`
	return f.then(func(r *reader, at ast.Node, path string) bool {
		ok := strings.HasSuffix(path, ".prom") && filepath.Base(path) != ".prom"
		if !ok {
			r.wrong(at, "write a name that ends in .prom", "node_exporter reads no other file than *.prom")
		}
		return ok
	})
}

func historyForm() form[*History] {
	return pointer(object([]key[History]{
		field("path", "The database; history.db in paths.state unless set.", paths(),
			func(h *History) *string { return &h.Path }),
		field("keep", "How long they are kept.", duration(time.Hour, longestExpiry),
			func(h *History) *time.Duration { return &h.Keep }).byDefault("90d"),
	}, nil))
}
