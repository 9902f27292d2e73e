package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"sallyport/integration/lab"
)

// awaited bounds the wait for one change that Sallyport must tell.
const awaited = 15 * time.Second

// patience is how often what must go well is tried: on a machine that is busy with other things an answer may come late.
const patience = 3

// tell is the story. Its error is for what ends it early; what does not hold is on the page.
func (s *scene) tell(ctx context.Context) error {
	s.introduce()
	s.page.section("Before Sallyport: anybody gets in")
	s.knocks(ctx, true)
	if err := s.start(ctx); err != nil {
		return err
	}
	s.page.section("With Sallyport: the admin gets in, the stranger does not")
	s.knocks(ctx, false)
	for _, next := range []func(context.Context) error{
		s.checks, s.serversFail, s.waysFail, s.whoKnocked, s.reallyShut, s.othersMeddle, s.owned, s.mistake,
	} {
		if err := next(ctx); err != nil {
			return err
		}
	}
	s.page.section("After all that: still shut")
	s.knocks(ctx, false)
	return ctx.Err()
}

// start runs the daemon and waits until all is well.
func (s *scene) start(ctx context.Context) error {
	s.page.section("Sallyport starts")
	s.page.command("sallyport run")
	began := time.Now()
	if err := s.sallyport.Run(); err != nil {
		return err
	}
	_, err := s.await(ctx, lab.AllOK)
	if err != nil {
		return fmt.Errorf("sallyport did not get going: %w; it said: %s", err, s.sallyport.Daemon().Output())
	}
	s.page.expect(true, "up", "the ruleset is in force and every check is ok, after "+seconds(time.Since(began)))
	return nil
}

func (s *scene) await(ctx context.Context, want func(lab.Report) error) (lab.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, awaited)
	defer cancel()
	return s.sallyport.AwaitStatus(ctx, want)
}

// way is one way in.
type way struct {
	name  string
	admin bool // the admin may use it
	knock func(ctx context.Context, from *lab.Node, to netip.Addr) lab.Knock
}

func ways() []way {
	tcp := func(port uint16) func(context.Context, *lab.Node, netip.Addr) lab.Knock {
		return func(ctx context.Context, from *lab.Node, to netip.Addr) lab.Knock {
			return from.TCP(ctx, netip.AddrPortFrom(to, port))
		}
	}
	return []way{
		{"TCP 22", true, tcp(lab.SSHPort)},
		{"TCP 8080", false, tcp(lab.ForgottenPort)},
		{"UDP 161", false, func(ctx context.Context, from *lab.Node, to netip.Addr) lab.Knock {
			return from.UDP(ctx, netip.AddrPortFrom(to, lab.AgentPort))
		}},
		{"ping", false, func(ctx context.Context, from *lab.Node, to netip.Addr) lab.Knock { return from.Ping(ctx, to) }},
	}
}

// knocks tries every way from the admin and the stranger, all at once, and shows a line for each. Open says that nobody
// is to be kept out.
func (s *scene) knocks(ctx context.Context, open bool) {
	var all sync.WaitGroup
	var shows []func()
	for _, from := range []*lab.Node{s.lab.Admin, s.lab.Stranger} {
		for _, w := range ways() {
			var got tried
			want := open || w.admin && from == s.lab.Admin
			all.Go(func() {
				for range patience {
					if got = s.try(ctx, from, w); !want || got.right(want) {
						return // who must not get in has one chance to show it
					}
				}
			})
			shows = append(shows, func() { s.page.expect(got.right(want), from.Name, got.text(w)) })
		}
	}
	all.Wait()
	for _, show := range shows {
		show()
	}
}

// tried is what came of one way in, by both of the host's addresses.
type tried struct{ ipv4, ipv6 lab.Knock }

func (s *scene) try(ctx context.Context, from *lab.Node, w way) (t tried) {
	var both sync.WaitGroup
	both.Go(func() { t.ipv4 = w.knock(ctx, from, s.lab.Host.IPv4) })
	both.Go(func() { t.ipv6 = w.knock(ctx, from, s.lab.Host.IPv6) })
	both.Wait()
	return t
}

// right says whether it came out as wanted by both addresses.
func (t tried) right(in bool) bool { return right(t.ipv4, in) && right(t.ipv6, in) }

func (t tried) text(w way) string {
	return fmt.Sprintf("%-10s IPv4 %-18s IPv6 %s", w.name, knocked(t.ipv4), knocked(t.ipv6))
}

// right says whether the knock came out as wanted: in, or met by silence. A refusal or an error would say something else
// than the policy.
func right(k lab.Knock, in bool) bool { return k.In == in && (in || k.Says == "silence") }

func knocked(k lab.Knock) string {
	if k.In {
		return "in, " + milliseconds(k.Took)
	}
	return k.Says
}

// checks runs every check once and shows its phases.
func (s *scene) checks(ctx context.Context) error {
	s.page.section("The ways out, checked: every address, every layer")
	s.page.command("sallyport check")
	ctx, cancel := context.WithTimeout(ctx, awaited)
	defer cancel()
	var report lab.Report
	for range patience {
		var err error
		if report, err = s.sallyport.Ask(ctx, "check"); err != nil {
			return err
		}
		if report.Status == "ok" {
			break
		}
	}
	for _, r := range report.Results {
		s.page.expect(r.Status == "ok", r.Check, strings.TrimSpace(r.Target+"  "+r.Cause))
		for _, e := range r.Endpoints {
			address := e.Address
			for _, line := range fold(phases(e.Phases), "  ", s.page.room()-19) {
				s.page.row("", pad(address, 18)+" "+line)
				address = ""
			}
		}
		if r.Status != "ok" {
			s.page.more("", r.Detail)
		}
	}
	s.page.expect(report.Status == "ok", "all of them", fmt.Sprintf("are %s", report.Status))
	return nil
}

// phases are shown in the order in which they happen; others come last.
func phases(took map[string]float64) []string {
	order := []string{"dns", "connect", "tls", "bind", "search"}
	names := slices.SortedFunc(maps.Keys(took), func(a, b string) int {
		return slices.Index(order, a) - slices.Index(order, b)
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, fmt.Sprintf("%s %.1f", name, took[name]))
	}
	if len(parts) > 0 {
		parts[len(parts)-1] += " ms"
	}
	return parts
}
