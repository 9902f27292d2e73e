package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"sallyport/integration/lab"
)

// fault is one thing that goes wrong, and what Sallyport must say of it.
type fault struct {
	title  string
	did    string // what was done, in a line
	spoil  func(ctx context.Context) error
	mend   func(ctx context.Context) error // nil where Sallyport mends it itself
	check  string                          // the check that must tell
	status string
	cause  string
	also   map[string]string               // other checks and what they must not say
	closer func(ctx context.Context) error // a closer look before it is mended; nil: none
}

// serversFail breaks what the host needs.
func (s *scene) serversFail(ctx context.Context) error { return s.breakAll(ctx, s.serverFaults()) }

// waysFail breaks the way there.
func (s *scene) waysFail(ctx context.Context) error { return s.breakAll(ctx, s.pathFaults()) }

// othersMeddle has other programs change the rules.
func (s *scene) othersMeddle(ctx context.Context) error {
	return s.breakAll(ctx, []fault{
		s.sideDoor(),
		s.tableFault("Broken: another program flushes the rules", lab.FlushTable, "firewall.repaired"),
		s.tableFault("Broken: another program deletes the table", lab.DeleteTable, "firewall.repaired"),
	})
}

func (s *scene) breakAll(ctx context.Context, faults []fault) error {
	for _, f := range faults {
		if err := s.breakAndMend(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) serverFaults() []fault {
	l := s.lab
	poison := lab.Answer{Addresses: l.Stranger.Addresses()}
	var impostor lab.TLSServer
	return []fault{
		{
			title: "Broken: the cloud's certificate expires", did: "the cloud presents a certificate that ended yesterday",
			spoil: func(ctx context.Context) error { return l.Flaw(ctx, l.Web, lab.CloudName, lab.Expired) },
			mend:  func(ctx context.Context) error { return l.Flaw(ctx, l.Web, lab.CloudName, lab.Sound) },
			check: lab.CheckCloud, status: "fail", cause: "cert.expired",
		},
		{
			title: "Broken: the directory stops", did: "the directory's server is stopped",
			spoil: func(context.Context) error { return l.LDAP.Stop() },
			mend:  l.LDAP.Start,
			check: lab.CheckDirectory, status: "fail", cause: "connect.refused",
		},
		{
			title: "Broken: the cloud's name is poisoned",
			did:   "the resolver answers with the stranger's address, where an impostor waits",
			spoil: func(ctx context.Context) (err error) {
				if impostor, err = l.Impostor(ctx); err != nil {
					return err
				}
				return l.NameServer.Answer(ctx, lab.CloudName, poison)
			},
			mend:  func(ctx context.Context) error { return errors.Join(impostor.Stop(), l.Heal(ctx)) },
			check: lab.CheckResolver, status: "fail", cause: "dns.mismatch",
			also: map[string]string{lab.CheckCloud: "ok"},
		},
	}
}

// pathFaults are of what stands between the host and its servers, and of the host itself.
func (s *scene) pathFaults() []fault {
	l := s.lab
	return []fault{
		{
			title: "Broken: a proxy reads along",
			did:   "a TLS-inspecting proxy answers for the cloud, with a certificate of its own",
			spoil: func(ctx context.Context) error { return l.Flaw(ctx, l.Web, lab.CloudName, lab.Inspected) },
			mend:  func(ctx context.Context) error { return l.Flaw(ctx, l.Web, lab.CloudName, lab.Sound) },
			check: lab.CheckCloud, status: "fail", cause: "cert.intercepted",
		},
		{
			title: "Broken: a clock is wrong",
			did:   "the cloud lives ten days later than the host, and so does its certificate",
			spoil: func(ctx context.Context) error {
				return errors.Join(l.Web.Ahead(ctx, 10*24*time.Hour), l.Flaw(ctx, l.Web, lab.CloudName, lab.NotYetValid))
			},
			mend: func(ctx context.Context) error {
				return errors.Join(l.Web.Ahead(ctx, 0), l.Flaw(ctx, l.Web, lab.CloudName, lab.Sound))
			},
			check: lab.CheckCloud, status: "fail", cause: "clock.skew",
		},
		{
			title: "Broken: the password is wrong", did: "somebody writes another password into the password file",
			spoil: func(context.Context) error { return os.WriteFile(l.PasswordFile(), []byte("wrong"), 0o600) },
			mend:  func(context.Context) error { return os.WriteFile(l.PasswordFile(), []byte(lab.Password), 0o600) },
			check: lab.CheckDirectory, status: "fail", cause: "ldap.not-retried",
		},
		{
			title: "Broken: another program's table lets nothing out to the directory", did: s.typed(lab.AddBarrier),
			spoil: func(ctx context.Context) error { return s.tamper(ctx, lab.AddBarrier) },
			mend:  func(ctx context.Context) error { return s.tamper(ctx, lab.RemoveBarrier) },
			check: lab.CheckDirectory, status: "fail", cause: "connect.blocked-here",
		},
		{
			title: "Broken: the resolver stops", did: "the resolver's server is stopped",
			spoil: func(context.Context) error { return l.NameServer.Stop() },
			mend:  l.NameServer.Start,
			check: lab.CheckResolver, status: "fail", cause: "dns.unreachable",
			also: map[string]string{lab.CheckCloud: "ok", lab.CheckDirectory: "ok"},
		},
	}
}

// tableFault spoils the table, which Sallyport mends itself.
func (s *scene) tableFault(title string, how lab.Tampering, cause string) fault {
	return fault{
		title: title, did: s.typed(how),
		spoil: func(ctx context.Context) error { return s.tamper(ctx, how) },
		check: "firewall", status: "warn", cause: cause,
	}
}

// typed is the tampering as one would type it, or what the lab does in place of that.
func (*scene) typed(how lab.Tampering) string {
	if hasNft() {
		return string(how)
	}
	return string(how) + "   # there is no nft here: the lab sends the same message"
}

// tamper does it by nft itself where there is one, and else as nft would.
func (s *scene) tamper(ctx context.Context, how lab.Tampering) error {
	if !hasNft() {
		return s.lab.Host.Tamper(how)
	}
	line := strings.Fields(strings.ReplaceAll(string(how), "'", "")) // a shell's quotes; nft puts its words together again
	got, err := s.lab.Host.Run(ctx, line[0], line[1:]...)
	if err == nil && got.Code != 0 {
		err = fmt.Errorf("exit code %d: %s", got.Code, got.Stderr)
	}
	return err
}

func hasNft() bool {
	_, err := exec.LookPath("nft")
	return err == nil
}

// breakAndMend does it, waits for what Sallyport says, undoes it, and waits until all is well.
func (s *scene) breakAndMend(ctx context.Context, f fault) error {
	s.page.section(f.title)
	s.page.command(f.did)
	began := time.Now()
	if err := f.spoil(ctx); errors.Is(err, lab.ErrNoClock) {
		s.page.skip(f.check, err.Error())
		return s.recover(ctx, f)
	} else if err != nil {
		return fmt.Errorf("%s: %w", f.did, err)
	}
	report, err := s.await(ctx, func(r lab.Report) error { return f.told(r) })
	got := report.Of(f.check)
	s.page.expect(err == nil, f.check, fmt.Sprintf("%s, %s, after %s", got.Status, got.Cause, seconds(time.Since(began))))
	if err != nil {
		s.page.more("", err.Error())
	}
	s.page.more("seen", got.Detail)
	s.page.more("to do", got.Remedy)
	for _, name := range slices.Sorted(maps.Keys(f.also)) {
		other := report.Of(name)
		s.page.more(name, other.Status+" "+other.Cause+" "+other.Detail)
	}
	if f.closer != nil {
		if err := f.closer(ctx); err != nil {
			return err
		}
	}
	return s.recover(ctx, f)
}

// told wants what Sallyport must say.
func (f fault) told(r lab.Report) error {
	for name, not := range f.also {
		if got := r.Of(name); got.Status == not {
			return fmt.Errorf("%s is still %s", name, got.Status)
		}
	}
	return lab.Has(f.check, f.status, f.cause)(r)
}

func (s *scene) recover(ctx context.Context, f fault) error {
	began := time.Now()
	who := "Sallyport itself"
	if f.mend != nil {
		who = "the lab"
		if err := f.mend(ctx); err != nil {
			return fmt.Errorf("mending after %q: %w", f.title, err)
		}
	}
	_, err := s.await(ctx, lab.AllOK)
	s.page.expect(err == nil, "mended", fmt.Sprintf("by %s, and all is ok again after %s", who, seconds(time.Since(began))))
	if err != nil {
		s.page.more("", err.Error())
	}
	return ctx.Err()
}
