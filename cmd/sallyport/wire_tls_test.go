package main

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/config"
)

// TestTLSIsWired holds that a check goes where the file says, by what it sees: from an address that is not here, by an
// interface that is not here, through a proxy that is not there, and that a dns check of the proxy's name comes first.
func TestTLSIsWired(t *testing.T) {
	closed := config.TLS{Name: "a", Server: config.Server{Host: "127.0.0.1", Port: 9, ServerName: "a.example"}}
	from, by, through := closed, closed, closed
	from.Source = netip.MustParseAddr("203.0.113.5")
	by.Interface = "nowhere0"
	through.Proxy = &config.Proxy{Host: "127.0.0.1", Port: 9, User: "somebody", PasswordFile: "/nowhere"}
	for words, c := range map[string]config.TLS{
		"refused: nothing listens": closed, "203.0.113.5 is not an address": from, `no interface "nowhere0"`: by,
		"the proxy 127.0.0.1:9 cannot be reached": through,
	} {
		wired := wireTLS(c, nil, kept{}, nil, nil)
		if r := wired.Run(t.Context()); r.Status != check.Fail || !strings.Contains(r.Detail, words) {
			t.Errorf("%s: %s, want %s", r.Cause, r.Detail, words)
		}
	}
	if door(closed) != "127.0.0.1" {
		t.Error("a check without a proxy depends on its own name")
	}
	through.Proxy.Host = "proxy.example"
	if door(through) != "proxy.example" {
		t.Error("a check through a proxy depends on its own name")
	}
	asked := wireHTTP(&config.HTTP{Method: http.MethodGet, Path: "/a", Statuses: []config.StatusRange{{First: 200,
		Last: 204}}})
	if wireHTTP(nil) != nil || asked.Method != http.MethodGet || asked.Path != "/a" || asked.Statuses[0].Last != 204 {
		t.Errorf("%+v", asked)
	}
}
