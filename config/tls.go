package config

import (
	"slices"

	"github.com/goccy/go-yaml/ast"
)

func tlsForm() form[TLS] {
	keys := slices.Concat(
		[]key[TLS]{
			nameKey("code42-console", func(t *TLS) *string { return &t.Name }),
			hostKey("address", "The server, as host:port.", endpoints(),
				func(t *TLS, e endpoint) { t.Host, t.Port = e.host, e.port }).
				needed().sample(`"console.us.code42.com:443"`),
		},
		serverKeys(func(t *TLS) *Server { return &t.Server }),
		[]key[TLS]{
			field("alpn", "The protocols that are offered, the first preferred (RFC 7301); without it, none.",
				list(protocols(), 1), func(t *TLS) *[]string { return &t.ALPN }).sample("[http/1.1]").aside(),
			proxyKey(func(t *TLS) **Proxy { return &t.Proxy }).
				inherit(func(r *reader, t *TLS) { t.Proxy = r.defaults.Proxy }),
			field("http", "A request that the server must answer; without it, none is made.", httpForm(),
				func(t *TLS) **HTTP { return &t.HTTP }).sample("{path: /, method: HEAD, status: [200-399]}").aside(),
		},
		scheduleKeys(func(t *TLS) *Schedule { return &t.Schedule }),
	)
	return object(keys, func(r *reader, f *found, t *TLS) {
		claimName(r, f, t.Name)
		judgeSchedule(r, f, t.Schedule)
		switch {
		case !f.sound("address", "proxy"):
			judgeServer(r, f, &t.Server, "")
		case t.Proxy != nil:
			judgeServer(r, f, &t.Server, t.Proxy.Host, "proxy", "address")
		default:
			judgeServer(r, f, &t.Server, t.Host, "address")
		}
		judgeALPN(r, f, t)
	})
}

// judgeALPN refuses to offer a protocol in which the request cannot be made: the server may choose it.
func judgeALPN(r *reader, f *found, t *TLS) {
	if !f.has("alpn", "http") {
		return
	}
	for _, name := range t.ALPN {
		if name != "http/1.1" && name != "http/1.0" {
			r.wrong(f.at("alpn"), "write [http/1.1], or remove http", "with http, %s cannot be offered: the request is "+
				"made in HTTP/1.1", quote(name))
			return
		}
	}
}

// protocols is the form of the name of a protocol: 1 to 255 bytes (RFC 7301 section 3.1).
func protocols() form[string] {
	const longest = 255
	f := text()
	f.schema.MaxLength = new(longest)
	return f.then(func(r *reader, at ast.Node, name string) bool {
		if len(name) > longest {
			r.wrong(at, "write the protocol's name, as in http/1.1 or h2", "this name is longer than 255 bytes (RFC 7301)")
		}
		return len(name) <= longest
	})
}
