package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sallyport/config"
	"sallyport/netcheck"
	"sallyport/tlsprobe/revocation"
)

func TestDirectoriesOfAUser(t *testing.T) {
	ldaps := func(host, dn string) config.LDAPS {
		return config.LDAPS{Server: config.Server{Host: host, Port: 636}, BindDN: dn}
	}
	checks := []config.LDAPS{
		ldaps("dc2", "CN=sync"), ldaps("dc1", "cn=Sync"), ldaps("dc1", "cn=sync"), ldaps("dc3", "cn=other"),
	}
	got := directoriesOf(checks, "cn=sync")
	if want := []string{"ldaps://dc1:636", "ldaps://dc2:636"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestReleaseSaysWhy holds that a release that cannot be written down is an error that names the mend; one of checks that
// bind nobody is none.
func TestReleaseSaysWhy(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	conf := &config.Config{Paths: config.Paths{State: state}}
	kept := keeping(conf, slog.New(slog.DiscardHandler))
	var checks []config.LDAPS
	for _, name := range []string{"anonymous", "bound"} {
		var c config.LDAPS
		c.Name = name
		if name == "bound" {
			c.BindDN = "cn=x"
		}
		checks = append(checks, c)
	}
	if err := kept.release(t.Context(), config.Checks{LDAPS: checks}, []string{"anonymous"}); err != nil {
		t.Errorf("nobody is bound: %v", err)
	}
	err := kept.release(t.Context(), config.Checks{LDAPS: checks}, []string{"bound"})
	if err == nil || !strings.Contains(err.Error(), "check bound") || !strings.Contains(err.Error(), "paths.state") {
		t.Errorf("got %v; want the check and the mend", err)
	}
	tunnelled := config.TLS{Proxy: &config.Proxy{Host: "proxy.test", Port: 3128, User: "monitor"}}
	tunnelled.Name = "tunnelled"
	err = kept.release(t.Context(), config.Checks{TLS: []config.TLS{tunnelled}}, []string{"tunnelled"})
	if err == nil || !strings.Contains(err.Error(), "check tunnelled") || !strings.Contains(err.Error(), "paths.state") {
		t.Errorf("of a proxy: got %v; want the check and the mend", err)
	}
}

// TestRevocationIsWired: what was asked is known to all checks, and over a reload; off asks nobody.
func TestRevocationIsWired(t *testing.T) {
	k := kept{revocation: revocation.NewChecker()}
	for mode, want := range map[string]netcheck.Revocation{
		config.RevocationOff: {}, config.RevocationSoft: {Checker: k.revocation},
		config.RevocationHard: {Checker: k.revocation, Hard: true},
	} {
		if got := k.revoking(config.Server{Revocation: mode}); got != want {
			t.Errorf("%s: %+v", mode, got)
		}
	}
	if conf := new(config.Config); keeping(conf, slog.New(slog.DiscardHandler)).revocation == nil {
		t.Error("the daemon remembers no answers")
	}
}
