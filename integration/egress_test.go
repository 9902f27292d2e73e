package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// reader is the uid of the service that may reach the directory.
const reader = 4242

// outward is a world whose ways out are judged, with servers of this process, whose answers change at once.
func outward(t *testing.T, mode string) world {
	t.Helper()
	t.Parallel()
	bin := binary(t, "sallyport")
	l, err := lab.New(within(t, 20*time.Second), shortDir(t), lab.Embedded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := l.NewSallyport(bin, lab.Settings{
		Egress:   fmt.Sprintf(`{mode: %s, also: [{name: web, to: [10.77.0.20], ports: [8080/tcp]}]}`, mode),
		Service:  fmt.Sprint(reader),
		Interval: 1500 * time.Millisecond, // and with it a timeout that a busy machine keeps
	})
	if err != nil {
		t.Fatal(err)
	}
	return world{Lab: l, Sallyport: s, t: t}
}

// greets accepts on a port of the node, on every address, until the test ends.
func (w world) greets(n *lab.Node, port uint16) {
	w.t.Helper()
	listener, err := n.Listen(w.t.Context(), port)
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("here\r\n"))
			_ = conn.Close()
		}
	}()
	w.t.Cleanup(func() { _ = listener.Close(); <-done })
}

// reaches connects from the host, as root.
func (w world) reaches(to netip.Addr, port uint16) lab.Knock {
	w.t.Helper()
	return w.Host.TCP(within(w.t, 5*time.Second), netip.AddrPortFrom(to, port))
}

// reachesAs connects from the host as a user, by the shell.
func (w world) reachesAs(uid int, to netip.Addr, port uint16) bool {
	w.t.Helper()
	need(w.t, "setpriv", "bash")
	got, err := w.Host.Run(within(w.t, 5*time.Second), "setpriv", fmt.Sprintf("--reuid=%d", uid), "--clear-groups",
		"bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d", to, port))
	if err != nil {
		w.t.Fatal(err)
	}
	return got.Code == 0
}

// TestEgressEnforced holds that everything works that the configuration has the host do, and nothing else.
func TestEgressEnforced(t *testing.T) {
	w := outward(t, "enforce")
	for _, port := range []uint16{80, 8080} {
		w.greets(w.Admin, port)
	}
	w.daemon()
	w.must(0, "check")
	for _, to := range w.Admin.Addresses() {
		if got := w.reaches(to, 80); got.In || got.Says != "refused" || got.Took > 100*time.Millisecond {
			t.Errorf("what no destination names, at %s, met %+v, want to be refused at once", to, got)
		}
	}
	if got := w.reaches(w.Admin.IPv4, 8080); !got.In {
		t.Errorf("what stands under also met %+v", got)
	}
	elsewhere := w.Host.UDP(within(t, 5*time.Second), netip.AddrPortFrom(w.Stranger.IPv4, 53))
	if got := elsewhere; !strings.Contains(got.Says, "permitted") {
		t.Errorf("DNS elsewhere met %+v, want EPERM", got)
	}
	for uid, want := range map[int]bool{reader: true, reader + 1: false, 0: true} {
		if os.Getuid() != 0 || !manyUsers() {
			break
		}
		if got := w.reachesAs(uid, w.Directory.IPv4, 636); got != want {
			t.Errorf("uid %d reaches the directory: %t, want %t", uid, got, want)
		}
		if !w.reachesAs(uid, w.Cloud.IPv6, 443) {
			t.Errorf("uid %d does not reach the cloud", uid)
		}
	}
	w.await(lab.AllOK)
}

// manyUsers says whether there are other users to become: this is no user namespace with one.
func manyUsers() bool {
	raw, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Contains(string(raw), "4294967295")
}

// answerCloud has the resolver name other addresses of the cloud.
func (w world) answerCloud(addresses ...netip.Addr) {
	w.t.Helper()
	if err := w.NameServer.Answer(w.t.Context(), lab.CloudName, lab.Answer{Addresses: addresses}); err != nil {
		w.t.Fatal(err)
	}
}

// TestEgressFollowsNames moves a name: what asks for it anew gets there, and what was there before stays.
func TestEgressFollowsNames(t *testing.T) {
	w := outward(t, "enforce")
	w.daemon()
	ctx := within(t, 15*time.Second)
	session, err := w.Host.Dial(ctx, "tcp", netip.AddrPortFrom(w.Cloud.IPv4, 443).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	w.greets(w.Stranger, 443)
	if got := w.reaches(w.Stranger.IPv4, 443); got.In {
		t.Fatalf("before the name leads there: %+v", got)
	}
	w.answerCloud(w.Stranger.IPv4, w.Stranger.IPv6)
	err = lab.Until(ctx, "the new address", func() error {
		if got := w.reaches(w.Stranger.IPv6, 443); !got.In {
			return fmt.Errorf("it meets %+v", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := w.reaches(w.Cloud.IPv4, 443); got.Says == "refused" {
		t.Error("the old address is refused at once")
	}
	w.answerCloud(w.Cloud.Addresses()...)
	w.await(lab.AllOK)
}

// TestEgressRefusesInside holds that an answer that points inside is not let out, and that the check says so.
func TestEgressRefusesInside(t *testing.T) {
	need(t, "ip")
	w := outward(t, "enforce")
	w.daemon()
	service := netip.MustParseAddr("fd00:ec2::254") // Amazon's, by IPv6
	got, err := w.Host.Run(within(t, 5*time.Second), "ip", "-6", "route", "add", service.String(), "dev", "eth0")
	if err != nil || got.Code != 0 {
		t.Fatalf("%v: %s", err, got.Stderr)
	}
	w.answerCloud(w.Cloud.IPv4, service)
	report := w.await(lab.Has(lab.CheckCloud, "warn", "connect.blocked-here"))
	if got := report.Of(lab.CheckCloud).Detail; !strings.Contains(got, "metadata service") {
		t.Errorf("the check says %s", got)
	}
	if said := w.Daemon().Output(); !strings.Contains(said, "not let out") || !strings.Contains(said, service.String()) {
		t.Errorf("the guard does not say it: %s", said)
	}
	if list := w.nft("list", "table", "inet", "sallyport"); strings.Contains(list, service.String()+" timeout") {
		t.Errorf("it is let out: %s", list)
	}
	w.answerCloud(w.Cloud.Addresses()...)
	w.await(lab.AllOK)
}

// TestEgressOutlivesTheDaemon kills everything: the ways out stay as they were, both the open ones and the shut ones.
func TestEgressOutlivesTheDaemon(t *testing.T) {
	need(t, "pgrep", "kill")
	w := outward(t, "enforce")
	w.greets(w.Admin, 80)
	w.daemon()
	parent := fmt.Sprint(w.Daemon().Pid())
	children, err := w.Host.Run(within(t, 5*time.Second), "pgrep", "-P", parent)
	if err != nil || len(strings.Fields(children.Stdout)) != 2 {
		t.Fatalf("the guard and the prober are %q (%v)", children.Stdout, err)
	}
	all := append([]string{"-KILL", parent}, strings.Fields(children.Stdout)...)
	if got, err := w.Host.Run(within(t, 5*time.Second), "kill", all...); err != nil || got.Code != 0 {
		t.Fatalf("kill %v: %v: %s", all, err, got.Stderr)
	}
	select {
	case <-w.Daemon().Ended():
	case <-within(t, 10*time.Second).Done():
		t.Fatal("it did not end")
	}
	if got := w.reaches(w.Admin.IPv4, 80); got.In || got.Says != "refused" {
		t.Errorf("what no destination names met %+v", got)
	}
	w.must(0, "check")
	w.daemon()
	w.must(0, "check")
}

// TestEgressObserved holds that observe refuses nothing, and tells exactly what enforce would, with who wanted it; and that
// what it writes as a policy lets that out.
func TestEgressObserved(t *testing.T) {
	w := outward(t, "observe")
	w.greets(w.Admin, 80)
	w.daemon()
	for range 3 {
		if got := w.reaches(w.Admin.IPv6, 80); !got.In {
			t.Fatalf("observed, it met %+v", got)
		}
	}
	if os.Getuid() == 0 && manyUsers() && !w.reachesAs(reader+1, w.Directory.IPv4, 636) {
		t.Error("another user does not reach the directory, though egress is only observed")
	}
	want := []string{fmt.Sprintf("%s 80/tcp uid 0 x3", w.Admin.IPv6)}
	if manyUsers() {
		want = append(want, fmt.Sprintf("%s 636/tcp uid %d x1", w.Directory.IPv4, reader+1))
	}
	w.await(func(r lab.Report) error {
		if got := refusals(t, r, "observe"); !slices.Equal(got, want) {
			return fmt.Errorf("would be refused: %q, want %q", got, want)
		}
		return lab.AllOK(r)
	})
	if said := w.must(0, "status").Stdout; !strings.Contains(said, "would be refused on the way out") ||
		!strings.Contains(said, w.Admin.IPv6.String()) {
		t.Errorf("status says %s", said)
	}
	w.enforceWhatWasSeen()
}

// enforceWhatWasSeen takes what status writes as a policy into the configuration, and enforces it.
func (w world) enforceWhatWasSeen() {
	w.t.Helper()
	entries := strings.SplitN(w.must(0, "status", "--egress").Stdout, "also:\n", 2)
	if len(entries) != 2 {
		w.t.Fatalf("no policy: %q", entries)
	}
	text, err := os.ReadFile(w.File)
	if err != nil {
		w.t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), "  egress: ")
	_, after, _ = strings.Cut(after, "\n")
	indented := "      " + strings.ReplaceAll(strings.TrimSpace(entries[1]), "\n", "\n    ")
	if err := w.Write(before + "  egress:\n    mode: enforce\n    also:\n" + indented + "\n" + after); err != nil {
		w.t.Fatal(err)
	}
	if err := w.Reload(); err != nil {
		w.t.Fatal(err)
	}
	w.greets(w.Admin, 81)
	w.await(func(r lab.Report) error {
		if got := w.reaches(w.Admin.IPv6, 81); got.In {
			return errors.New("nothing is enforced yet")
		}
		return lab.AllOK(r)
	})
	if got := w.reaches(w.Admin.IPv6, 80); !got.In {
		w.t.Errorf("what was seen, enforced, met %+v: %s", got, indented)
	}
}

// traffic is the part of the firewall's evidence that is about packets.
type traffic struct {
	Knocking struct{ IPv4, IPv6 int } `json:"knocking_sources"`
	Knocks   []struct {
		From     netip.Addr
		Protocol string
		Port     uint16
		Packets  uint64
	}
	Egress struct {
		Mode    string
		Refused []struct {
			To       netip.Addr
			Protocol string
			Port     uint16
			UID      *uint32
			Packets  uint64
		}
	}
}

func trafficIn(t *testing.T, r lab.Report) (seen traffic) {
	t.Helper()
	if evidence := r.Of("firewall").Evidence; len(evidence) > 0 {
		if err := json.Unmarshal(evidence, &seen); err != nil {
			t.Fatalf("%v: %s", err, evidence)
		}
	}
	return seen
}

// refusals is where the host wanted to go, the most packets first.
func refusals(t *testing.T, r lab.Report, mode string) []string {
	t.Helper()
	seen := trafficIn(t, r).Egress
	if seen.Mode != mode {
		return []string{"mode " + seen.Mode}
	}
	list := []string{}
	for _, x := range seen.Refused {
		who := "no uid"
		if x.UID != nil {
			who = fmt.Sprintf("uid %d", *x.UID)
		}
		list = append(list, fmt.Sprintf("%s %d/%s %s x%d", x.To, x.Port, x.Protocol, who, x.Packets))
	}
	return list
}

// TestWhoKnocked has strangers knock, and wants each of them told with its ports and packets: in status, in the evidence, in
// the metrics, and in the history once the daemon has ended.
func TestWhoKnocked(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	if err := w.Write(w.Configuration(lab.Settings{}) + "  history: {keep: 1d}\n"); err != nil {
		t.Fatal(err)
	}
	w.services()
	w.daemon()
	ctx := within(t, 15*time.Second)
	w.Stranger.TCP(ctx, netip.AddrPortFrom(w.Host.IPv4, lab.SSHPort))
	w.Stranger.TCP(ctx, netip.AddrPortFrom(w.Host.IPv6, lab.ForgottenPort))
	for range 3 {
		w.Stranger.UDP(ctx, netip.AddrPortFrom(w.Host.IPv4, lab.AgentPort))
	}
	w.Admin.TCP(ctx, netip.AddrPortFrom(w.Host.IPv4, lab.SSHPort)) // who is let in has not knocked
	want := []string{
		fmt.Sprintf("%s 161/udp x3", w.Stranger.IPv4),
		fmt.Sprintf("%s 22/tcp x1", w.Stranger.IPv4),
		fmt.Sprintf("%s 8080/tcp x1", w.Stranger.IPv6),
	}
	w.await(func(r lab.Report) error {
		seen := trafficIn(t, r)
		got := []string{}
		for _, k := range seen.Knocks {
			got = append(got, fmt.Sprintf("%s %d/%s x%d", k.From, k.Port, k.Protocol, k.Packets))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || seen.Knocking.IPv4 != 1 || seen.Knocking.IPv6 != 1 {
			return fmt.Errorf("who knocked: %q, %+v; want %q", got, seen.Knocking, want)
		}
		return nil
	})
	if said := w.must(0, "status").Stdout; !strings.Contains(said, "who knocked within the last hour: 2 addresses") ||
		!strings.Contains(said, "161/udp 22/tcp") {
		t.Errorf("status says %s", said)
	}
	metrics := w.scrape()
	for _, line := range []string{
		`sallyport_firewall_knocking_sources{family="ipv4"} 1`, `sallyport_firewall_knocking_sources{family="ipv6"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s: %s", line, metrics)
		}
	}
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	kept := []string{}
	for _, k := range w.past().Knocks {
		kept = append(kept, fmt.Sprintf("%s %s x%d", k.From, k.Port, k.Packets))
	}
	if slices.Sort(kept); !slices.Equal(kept, want) {
		t.Errorf("the history has %q, want %q", kept, want)
	}
}
