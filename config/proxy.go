package config

import "github.com/goccy/go-yaml/ast"

// noProxy is the word that undoes the proxy of checks.defaults.
const noProxy = "none"

// Proxy is an HTTP proxy that connections are made through (CONNECT, RFC 9110 section 9.3.6).
type Proxy struct {
	Host         string // a name or an address
	Port         uint16
	User         string // empty: no authentication
	PasswordFile string // absolute; its content is read at each run, never kept here
}

// proxyKey is the key of the proxy; that of checks.defaults stands in where it is left out.
func proxyKey[T any](at func(*T) **Proxy) key[T] {
	k := field("proxy", "The HTTP proxy that connections are made through, or none.", proxyForm(), at).
		sample(`{address: "proxy.corp.example:3128"}`).aside()
	return k.inherit(nil)
}

// proxyForm is the form of a proxy, or of the word none.
func proxyForm() form[*Proxy] {
	f := object([]key[Proxy]{
		hostKey("address", "The proxy, as host:port.", endpoints(),
			func(p *Proxy, e endpoint) { p.Host, p.Port = e.host, e.port }).needed().sample(`"proxy.corp.example:3128"`),
		field("user", "Who uses it; without it, nobody is named.", text(), func(p *Proxy) *string { return &p.User }),
		field("password_file", "A file of mode 0600, or a credential of systemd, that holds the user's password alone.",
			passwords(), func(p *Proxy) *string { return &p.PasswordFile }),
	}, judgeProxy)
	s := f.schema
	s.DependentRequired = map[string][]string{"user": {"password_file"}, "password_file": {"user"}}
	s.AnyOf = []*schema{{Type: s.Type}, {Type: "string", Enum: []string{noProxy}}}
	s.Type = ""
	return form[*Proxy]{schema: s, read: func(r *reader, n ast.Node) (*Proxy, bool) {
		word, isWord := written(n)
		switch {
		case isWord && word == noProxy:
			return nil, true
		case isWord:
			r.wrong(n, `write {address: "host:port"}, or none`, "%s is not a proxy", quote(word))
			return nil, false
		}
		p, ok := f.read(r, n)
		return &p, ok
	}}
}

func judgeProxy(r *reader, f *found, _ *Proxy) {
	_, user := f.values["user"]
	_, password := f.values["password_file"]
	switch {
	case !f.sound("user", "password_file"):
	case user && !password:
		r.wrong(f.at("user"), "add password_file, or remove user", "there is a user, but no password_file")
	case password && !user:
		r.wrong(f.at("password_file"), "add user, or remove password_file", "there is a password_file, but no user")
	}
}
