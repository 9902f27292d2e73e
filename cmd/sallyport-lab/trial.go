package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sallyport/integration/lab"
)

// owned puts the table into the guard's possession, where this kernel can, and has others try to take it away.
func (s *scene) owned(ctx context.Context) error {
	s.page.section("Nobody else changes it")
	if can, err := s.lab.Stranger.Ownable(); err != nil || !can {
		s.page.skip("owned", "this kernel knows no table that has an owner and outlives it (Linux 6.9)")
		return err
	}
	if err := s.sallyport.Write(s.lab.Configuration(lab.Settings{Owned: true})); err != nil {
		return err
	}
	s.page.command("sallyport apply --now   # firewall.ownership: auto, which is the default")
	if err := s.command(ctx, "apply", "--now"); err != nil {
		return err
	}
	before, err := s.lab.Host.TableHandle()
	if err != nil {
		return err
	}
	s.page.command(s.typed(lab.DeleteTable))
	err = s.tamper(ctx, lab.DeleteTable)
	s.page.expect(refused(err), "refused", outcome(err))
	s.page.command(s.typed(lab.FlushRuleset))
	err = s.tamper(ctx, lab.FlushRuleset)
	after, gone := s.lab.Host.TableHandle()
	s.page.expect(err == nil && gone == nil && before == after, "passed by", outcome(err)+
		", and Sallyport's table is the one that was there")
	report, err := s.sallyport.Ask(ctx, "status") // a repair would be told for two seconds
	got := report.Of("firewall")
	s.page.expect(err == nil && got.Status == "ok", "firewall", strings.TrimSpace(got.Status+" "+got.Cause)+
		": nothing had to be repaired")
	return err
}

// command runs one of Sallyport's commands, which must go well, and shows the first line of what it says.
func (s *scene) command(ctx context.Context, command string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, awaited)
	defer cancel()
	got, err := s.sallyport.Command(ctx, command, args...)
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(strings.TrimSpace(got.Stdout+got.Stderr), "\n")
	s.page.expect(got.Code == 0, command, first)
	return nil
}

// refused says whether the kernel did not permit it, in its own words or in those of nft.
func refused(err error) bool {
	return err != nil && strings.Contains(strings.ToLower(err.Error()), "operation not permitted")
}

// outcome is what became of a tampering, in a few words.
func outcome(err error) string {
	switch {
	case err == nil:
		return "done"
	case refused(err):
		return "Operation not permitted"
	default:
		return err.Error()
	}
}

// onTrial is how long the mistake has: long enough to see that it is one.
const onTrial = 3 * time.Second

// mistake puts a policy on trial that shuts the admin out, and takes away everybody who could undo it but the kernel.
func (s *scene) mistake(ctx context.Context) error {
	s.page.section("A mistake undoes itself")
	began, err := s.blunder(ctx)
	if err != nil {
		return err
	}
	if err := s.undone(ctx, began); err != nil {
		return err
	}
	s.page.command("sallyport run")
	started := time.Now()
	if err := s.sallyport.Run(); err != nil {
		return err
	}
	report, err := s.await(ctx, lab.Has("firewall", "warn", "firewall.rolled-back"))
	got := report.Of("firewall")
	took := seconds(time.Since(started))
	s.page.expect(err == nil, "firewall", fmt.Sprintf("%s, %s, after %s", got.Status, got.Cause, took))
	if err != nil {
		s.page.more("", err.Error())
	}
	s.page.more("seen", got.Detail)
	s.page.more("to do", got.Remedy)
	s.page.command("kill -HUP   # with the configuration from before")
	return s.recover(ctx, fault{title: "the mistake", mend: func(context.Context) error {
		if err := s.sallyport.Write(s.lab.Configuration(lab.Settings{Owned: true})); err != nil {
			return err
		}
		return s.sallyport.Reload()
	}})
}

// blunder makes the mistake, and says when.
func (s *scene) blunder(ctx context.Context) (began time.Time, err error) {
	if err := s.sallyport.Write(s.lab.Configuration(lab.Settings{Owned: true, Admins: elsewhere()})); err != nil {
		return began, err
	}
	s.page.command(fmt.Sprintf("sallyport apply --confirm-within %.0fs --force   # of a policy that leaves the admin out",
		onTrial.Seconds()))
	if err := s.command(ctx, "apply", "--confirm-within", onTrial.String(), "--force"); err != nil {
		return began, err
	}
	began = time.Now()
	ssh := ways()[0]
	got := s.try(ctx, s.lab.Admin, ssh)
	s.page.expect(got.right(false), s.lab.Admin.Name, got.text(ssh))
	return began, nil
}

// elsewhere is where no admin is.
func elsewhere() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("192.0.2.20/32"), netip.MustParsePrefix("2001:db8::20/128")}
}

// undone kills Sallyport, and waits until the admin gets in again.
func (s *scene) undone(ctx context.Context, began time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, awaited)
	defer cancel()
	s.page.command("kill -9, of every process of Sallyport")
	count, err := s.sallyport.Kill(ctx)
	if err != nil {
		return err
	}
	s.page.expect(count >= 3, "killed", fmt.Sprintf("%d processes; none is left to undo anything", count))
	ssh := ways()[0]
	var got tried
	err = lab.Until(ctx, "the end of the trial", func() error {
		if got = s.try(ctx, s.lab.Admin, ssh); !got.right(true) {
			return fmt.Errorf("the admin does not get in: %s", got.text(ssh))
		}
		return nil
	})
	s.page.expect(err == nil, s.lab.Admin.Name, got.text(ssh))
	s.page.more("", fmt.Sprintf("%s after the apply: the kernel itself let the trial expire", seconds(time.Since(began))))
	return nil
}
