package config

import "github.com/goccy/go-yaml/ast"

func tlsForm() form[TLS] {
	keys := []key[TLS]{
		nameKey("code42-console", func(t *TLS) *string { return &t.Name }),
		hostKey("address", "The server, as host:port.", endpoints(),
			func(t *TLS, e endpoint) { t.Host, t.Port = e.host, e.port }).
			needed().sample(`"console.us.code42.com:443"`),
	}
	keys = append(keys, serverKeys(func(t *TLS) *string { return &t.ServerName },
		func(t *TLS) *[]string { return &t.Roots })...)
	keys = append(keys, expiryKeys(func(t *TLS) *Expiry { return &t.Expiry })...)
	keys = append(keys, scheduleKeys(func(t *TLS) *Schedule { return &t.Schedule })...)
	return object(keys, func(r *reader, f *found, t *TLS) {
		claimName(r, f, t.Name)
		if t.ServerName == "" {
			t.ServerName = t.Host
		}
		judgeSchedule(r, f, t.Schedule)
		judgeExpiry(r, f, t.Expiry)
	})
}

// hostKey is a key whose value is a host and a port.
func hostKey[T any](name, about string, f form[endpoint], set func(*T, endpoint)) key[T] {
	s := f.schema
	s.Description = about
	return key[T]{name: name, schema: s, read: func(r *reader, n ast.Node, into *T) bool {
		e, ok := f.read(r, n)
		if ok {
			set(into, e)
		}
		return ok
	}}
}
