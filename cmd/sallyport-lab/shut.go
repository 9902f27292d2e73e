package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"

	"sallyport/integration/lab"
)

// whoKnocked wants the daemon to tell the stranger's knocks, with their ports.
func (s *scene) whoKnocked(ctx context.Context) error {
	s.page.section("Who knocked")
	s.page.command("sallyport status")
	want := map[string]string{}
	for _, address := range s.lab.Stranger.Addresses() {
		want[address.String()] = "22/tcp 8080/tcp 161/udp"
	}
	got := map[string]knocker{}
	_, err := s.await(ctx, func(r lab.Report) (err error) {
		if got, err = knockers(r.Of("firewall")); err != nil {
			return err
		}
		for from, ports := range want {
			if got[from].ports() != ports {
				return fmt.Errorf("of %s it tells the ports %q, want %s", from, got[from].ports(), ports)
			}
		}
		return nil
	})
	for _, from := range s.lab.Stranger.Addresses() {
		one := got[from.String()]
		s.page.expect(one.ports() == want[from.String()] && one.packets >= len(one.at), "stranger",
			fmt.Sprintf("%-10s  %s  %d packets", from, one.ports(), one.packets))
	}
	if err != nil {
		s.page.more("", err.Error())
	}
	return ctx.Err()
}

// knocker is what a report says of one source.
type knocker struct {
	at      []string // ports, as in 22/tcp, sorted: TCP first, then by number
	packets int
}

func (k knocker) ports() string { return strings.Join(k.at, " ") }

// knock is one of a report's.
type knock struct {
	From     netip.Addr
	Protocol string
	Port     uint16
	Packets  int
}

// knockers are who knocked, by their addresses.
func knockers(firewall lab.Result) (map[string]knocker, error) {
	var evidence struct {
		Knocks []knock
	}
	if err := decode(firewall, &evidence); err != nil {
		return nil, err
	}
	slices.SortFunc(evidence.Knocks, func(a, b knock) int {
		return cmp.Or(strings.Compare(a.Protocol, b.Protocol), int(a.Port)-int(b.Port))
	})
	all := map[string]knocker{}
	for _, k := range evidence.Knocks {
		one := all[k.From.String()]
		one.at = append(one.at, fmt.Sprintf("%d/%s", k.Port, k.Protocol))
		one.packets += k.Packets
		all[k.From.String()] = one
	}
	return all, nil
}

// decode reads a result's evidence, where it has any.
func decode(r lab.Result, evidence any) error {
	if len(r.Evidence) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Evidence, evidence); err != nil {
		return fmt.Errorf("the evidence of %s: %w", r.Check, err)
	}
	return nil
}

// reallyShut has verify say who can reach what listens, and try it with packets.
func (s *scene) reallyShut(ctx context.Context) error {
	s.page.section("Is it really shut?")
	report, err := s.verify(ctx)
	if err != nil {
		return err
	}
	if err := s.listeners(report.Of("firewall.listeners")); err != nil {
		return err
	}
	well := true
	var names []string
	for _, r := range report.Results {
		if name := strings.TrimPrefix(r.Check, "firewall."); r.Check != twinName {
			names = append(names, strings.TrimSpace(name+" "+r.Status+" "+r.Cause))
			well = well && r.Status == "ok"
		}
	}
	s.page.expect(well && len(names) > 1, "all of it", strings.Join(names, ", "))
	tried := report.Of(twinName)
	packets, _, _ := strings.Cut(tried.Detail, ";") // what was not tried, and why, is for verify's own pages
	s.twin(tried, tried.Status == "ok", "ok, "+packets)
	return ctx.Err()
}

// twinName is the result of packets through a copy of the host's tables.
const twinName = "firewall.twin"

// verify runs the command with everything that it can do here without touching the host.
func (s *scene) verify(ctx context.Context) (lab.Report, error) {
	s.page.command("sallyport verify --twin")
	ctx, cancel := context.WithTimeout(ctx, awaited)
	defer cancel()
	return s.sallyport.Ask(ctx, "verify", "--twin")
}

// twin shows what packets through the copy have shown, where packets can be made: that needs /dev/net/tun, which in most
// places is root's.
func (s *scene) twin(r lab.Result, holds bool, says string) {
	device, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		s.page.skip("twin", "not without root: "+err.Error())
		return
	}
	_ = device.Close()
	s.page.expect(holds, "twin", says)
	if !holds {
		s.page.more("", r.Status+" "+r.Cause+" "+r.Detail)
	}
}

// listeners shows the table of who can reach what listens.
func (s *scene) listeners(r lab.Result) error {
	var evidence struct {
		Listeners []struct{ Protocol, Address, Process, Who string }
	}
	if err := decode(r, &evidence); err != nil {
		return err
	}
	admin := fmt.Sprintf("ssh-admins: %s, %s", s.lab.Admin.IPv4, s.lab.Admin.IPv6)
	want := map[string]string{
		"*:22": admin, "*:8080": "nobody", "*:161": "nobody", "127.0.0.1:9636": "this host only",
	}
	for _, l := range evidence.Listeners {
		s.page.expect(want[l.Address] == l.Who, l.Address, l.Who)
		delete(want, l.Address)
	}
	if len(want) > 0 {
		s.page.expect(false, "not listed", strings.Join(slices.Sorted(maps.Keys(want)), " "))
	}
	return nil
}

// sideDoor has another program make a table of its own, which leads round the policy though nobody touches Sallyport's.
func (s *scene) sideDoor() fault {
	return fault{
		title: "Broken: another program's table opens a side door", did: s.typed(lab.AddSideDoor),
		spoil: func(ctx context.Context) error { return s.tamper(ctx, lab.AddSideDoor) },
		mend:  func(ctx context.Context) error { return s.tamper(ctx, lab.RemoveSideDoor) },
		check: "firewall", status: "warn", cause: "firewall.bypass",
		closer: s.throughSideDoor,
	}
}

// throughSideDoor goes through it, and has verify find it.
func (s *scene) throughSideDoor(ctx context.Context) error {
	in := s.lab.Admin.TCP(ctx, netip.AddrPortFrom(s.lab.Host.IPv4, lab.ForgottenPort))
	s.page.expect(in.In && in.Says == lab.Banner, "admin", "TCP 8080   IPv4 "+knocked(in)+": SSH answers there")
	report, err := s.verify(ctx)
	if err != nil {
		return err
	}
	const table = "table ip helpful"
	for _, r := range report.Results {
		found := strings.Contains(r.Detail, table)
		switch r.Check {
		case "firewall.interference":
			s.page.expect(r.Cause == "firewall.bypass" && found, "interference", r.Status+", "+r.Cause+", by "+table)
		case twinName:
			packet, _, _ := strings.Cut(r.Detail, "; there listens")
			s.twin(r, r.Cause == "firewall.bypass" && found, r.Status+", "+r.Cause+": "+packet)
		}
	}
	return ctx.Err()
}
