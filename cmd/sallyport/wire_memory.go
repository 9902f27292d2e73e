package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"sallyport/config"
	"sallyport/netcheck"
	"sallyport/netcheck/memory"
	"sallyport/tlsprobe/jvm"
	"sallyport/tlsprobe/revocation"
)

// kept is what checks remember across the end of the process, and of a reload, and whom they ask.
type kept struct {
	refused *netcheck.RefusedSecrets
	seen    netcheck.Seen
	stores  netcheck.JavaStores
	java    *jvm.Watch       // of the service, for the checks that are being wired
	blocked netcheck.Blocked // nil: nobody

	revocation *revocation.Checker // one for all checks: they share authorities
}

// keeping remembers below paths.state; a file there that is no good is told to log.
func keeping(conf *config.Config, log *slog.Logger) kept {
	folder := memory.Folder{State: conf.Paths.State, Told: func(err error) { log.Error("a memory was damaged", "err", err) }}
	return kept{refused: netcheck.NewRefusedSecrets(folder), seen: netcheck.KeepSeen(folder),
		stores: netcheck.JavaStores{Folder: folder}, revocation: revocation.NewChecker()}
}

// forgetting remembers nothing: for checks that are made ready and never run.
func forgetting() kept { return kept{refused: new(netcheck.RefusedSecrets)} }

// revoking is how a check asks whether certificates were revoked.
func (k kept) revoking(c config.Server) netcheck.Revocation {
	if c.Revocation == config.RevocationOff {
		return netcheck.Revocation{}
	}
	return netcheck.Revocation{Checker: k.revocation, Hard: c.Revocation == config.RevocationHard}
}

// releaseWithin is how long the passwords that are being tried are waited for.
const releaseWithin = 10 * time.Second

// release forgets what was refused to the users of those of the checks that are named.
func (k kept) release(ctx context.Context, checks config.Checks, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, releaseWithin)
	defer cancel()
	for _, c := range checks.TLS {
		if c.Proxy == nil || c.Proxy.User == "" || !slices.Contains(names, c.Name) {
			continue
		}
		proxy := netcheck.Proxy{Host: c.Proxy.Host, Port: c.Proxy.Port, User: c.Proxy.User}
		if err := k.refused.ReleaseProxy(ctx, proxy); err != nil {
			return fmt.Errorf("check %s: the password for its proxy stays held back: %w", c.Name, err)
		}
	}
	for _, c := range checks.LDAPS {
		if c.BindDN == "" || !slices.Contains(names, c.Name) {
			continue
		}
		if err := k.refused.Release(ctx, c.BindDN); err != nil {
			return fmt.Errorf("check %s: its password stays held back: %w", c.Name, err)
		}
	}
	return nil
}

// directoriesOf are all directories at which the configuration has a user.
func directoriesOf(checks []config.LDAPS, bindDN string) []string {
	var all []string
	for _, c := range checks {
		if strings.EqualFold(c.BindDN, bindDN) {
			all = append(all, directory(c))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
