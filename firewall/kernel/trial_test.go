package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sallyport/firewall"
)

func besideOf(t testing.TB, committed, candidate firewall.Ruleset, within time.Duration) firewall.Ruleset {
	t.Helper()
	r, err := firewall.Beside(committed, candidate, within)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// untilTrialEnds reads the table until no trial runs any more, and returns how it is then.
func untilTrialEnds(t testing.TB, c *Conn) Dump {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		d, err := c.Dump(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		left, running := d.Trial()
		if !running {
			return d
		}
		if time.Now().After(deadline) {
			t.Fatalf("a trial that does not end: %v", left)
		}
		<-time.After(min(left.Left, time.Second))
	}
}

// TestTrialIsWhatNftLoads holds that the text of a trial and our own transaction are the same to the kernel.
func TestTrialIsWhatNftLoads(t *testing.T) {
	newNamespace(t)
	r := besideOf(t, compile(t, randomPolicy(1)), compile(t, randomPolicy(2)), time.Minute)
	runNft(t, r.String(), "-f", "-")
	byNft := dumpHere(t)
	if trial, running := byNft.Trial(); !running || !trial.Whole || trial.Left > time.Minute || trial.Left < 30*time.Second {
		t.Errorf("%+v, %v", trial, running)
	}
	c := open4Test(t)
	if err := c.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if ours := dumpHere(t); !ours.Equal(byNft) {
		t.Errorf("%s", differingLines(byNft, ours))
	}
}

// TestTrialEnds holds that a trial has one golden dump, before and after it expires, that no base chain is made anew when
// it begins, ends or is confirmed, and that counters count on.
func TestTrialEnds(t *testing.T) {
	committed, candidate := compile(t, adminsOnly("10.1.0.0/16")), compile(t, adminsOnly("10.2.0.0/16", "fd77::/64"))
	golden := goldenOf(t, besideOf(t, committed, candidate, time.Hour))
	newNamespace(t)
	c := open4Test(t)
	bases := func() []string {
		listed := regexp.MustCompile(`chain (\w+) \{ # handle (\d+)\n\t\ttype`).
			FindAllString(runNft(t, "", "-a", "list", "table", "inet", "sallyport"), -1)
		slices.Sort(listed)
		return listed
	}
	if err := c.Apply(t.Context(), committed); err != nil {
		t.Fatal(err)
	}
	before := bases()
	for _, then := range []firewall.Ruleset{committed, candidate} {
		if err := c.Apply(t.Context(), besideOf(t, committed, candidate, 300*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if begun := dumpHere(t); !begun.Equal(golden) {
			t.Errorf("on trial:\n%s", differingLines(golden, begun))
		}
		if over := untilTrialEnds(t, c); !over.Equal(golden) {
			t.Errorf("expired:\n%s", differingLines(golden, over))
		}
		if err := c.Apply(t.Context(), then); err != nil {
			t.Fatal(err)
		}
		if after := bases(); len(before) != 3 || !slices.Equal(before, after) {
			t.Errorf("base chains %v before, %v after", before, after)
		}
	}
}

// TestTrialIsWrittenAgain holds that what is written again lasts as long as is said then, and no longer.
func TestTrialIsWrittenAgain(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	r := besideOf(t, compile(t, adminsOnly("10.1.0.0/16")), compile(t, adminsOnly("10.2.0.0/16")), time.Hour)
	for _, left := range []time.Duration{time.Hour, time.Second, time.Minute} {
		if err := c.Apply(t.Context(), r.Prolonged(left)); err != nil {
			t.Fatal(err)
		}
		if trial, _ := dumpHere(t).Trial(); !trial.Whole || trial.Left > left || trial.Left < left-time.Second/2 {
			t.Errorf("%+v left of %s", trial, left)
		}
	}
}

// TestTrialShows holds what a dump says of elements that somebody else put into the set or took from it.
func TestTrialShows(t *testing.T) {
	r := besideOf(t, compile(t, adminsOnly("10.1.0.0/16")), compile(t, adminsOnly("10.2.0.0/16")), time.Hour)
	golden := goldenOf(t, r)
	for name, test := range map[string]struct {
		nft            string
		running, whole bool
		exact          bool
	}{
		"one taken":    {"delete element inet sallyport trial { ipv4 }", true, false, true},
		"all taken":    {"flush set inet sallyport trial", false, false, true},
		"one for ever": {"flush set inet sallyport trial; add element inet sallyport trial { ipv6 }", true, false, false},
		"another put":  {"add element inet sallyport trial { 7 timeout 1d }", true, true, true},
		"the set is gone": {
			"flush chain inet sallyport input; flush chain inet sallyport prerouting; " +
				"flush chain inet sallyport forward; delete set inet sallyport trial", false, false, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			newNamespace(t)
			c := open4Test(t)
			if err := c.Apply(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			runNft(t, test.nft, "-f", "-")
			d := dumpHere(t)
			trial, running := d.Trial()
			if running != test.running || trial.Whole != test.whole || d.Equal(golden) != test.exact {
				t.Errorf("%+v, running %v, exact %v", trial, running, d.Equal(golden))
			}
			if name == "another put" && trial.Left < 23*time.Hour {
				t.Errorf("%s left: the longest counts", trial.Left)
			}
		})
	}
}

// TestTrialPackets sends packets to a host on trial, and after it, by IPv4 and IPv6, TCP and UDP, and has it pass on
// some: for a committed policy with a forward chain and a candidate without, the other way round, and for an open host.
func TestTrialPackets(t *testing.T) {
	from := func(forward firewall.Forward, name, v4, v6 string) firewall.Ruleset {
		return compile(t, firewall.Policy{NoManagement: true, Forward: forward, Allow: []firewall.Exception{
			{Name: name, Ports: ports("22/tcp", "161/udp"), From: prefixes(v4+"/32", v6+"/128")},
		}})
	}
	const drop, accept = firewall.ForwardDrop, firewall.ForwardAccept
	admins, strangers := []string{adminV4, adminV6}, []string{strangerV4, strangerV6}
	for name, test := range map[string]struct {
		committed, candidate     firewall.Ruleset
		before, during           []string // who gets in
		passedBefore, passDuring bool
	}{
		"forward drops": {
			from(accept, "a", adminV4, adminV6), from(drop, "b", strangerV4, strangerV6), admins, strangers, true, false,
		},
		"forward accepts": {
			from(drop, "a", adminV4, adminV6), from(accept, "a", strangerV4, strangerV6), admins, strangers, false, true,
		},
		"from open": {
			firewall.Ruleset{}, from(drop, "a", adminV4, adminV6), slices.Concat(admins, strangers), admins, true, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTrialHost(t)
			c := open4Test(t)
			both := besideOf(t, test.committed, test.candidate, time.Hour)
			h.judges(test.before, test.passedBefore, func() {
				if err := c.Apply(t.Context(), test.committed); err != nil {
					t.Fatal(err)
				}
			})
			h.judges(test.during, test.passDuring, func() {
				if err := c.Apply(t.Context(), both); err != nil {
					t.Fatal(err)
				}
			})
			h.judges(test.before, test.passedBefore, func() {
				if err := c.Apply(t.Context(), both.Prolonged(100*time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				untilTrialEnds(t, c)
			})
		})
	}
}

// trialHost is a host with listeners and a neighbour, for which it passes packets on.
type trialHost struct {
	t    *testing.T
	peer *neighbour
	udp  *net.UDPConn
}

func newTrialHost(t *testing.T) *trialHost {
	t.Helper()
	newNamespace(t)
	h := &trialHost{t: t, peer: newNeighbour(t)}
	listen(t, 22)
	var err error
	if h.udp, err = net.ListenUDP("udp", &net.UDPAddr{Port: 161}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.udp.Close() })
	// What is passed on goes back to the neighbour, which has no use for it; a later table counts it.
	ip(t, "route add 10.99.0.0/24 via "+strangerV4, "route add fd99::/64 via "+strangerV6)
	h.peer.run(func() { ip(t, "route add 10.99.0.0/24 via "+hostV4, "route add fd99::/64 via "+hostV6) })
	for _, key := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := os.WriteFile("/proc/sys/net/"+key, []byte("1"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runNft(t, "table inet watch { counter came {}\n counter on {}\n"+
		"chain came { type filter hook prerouting priority -500; udp dport { 161, 4000 } counter name came; }\n"+
		"chain on { type filter hook forward priority 100; udp dport 4000 counter name on; }; }", "-f", "-")
	return h
}

// until waits until a counter of the table that watches shows so many packets, from its last reset on.
func (h *trialHost) until(counter string, packets int) {
	h.t.Helper()
	want := fmt.Sprintf("packets %d ", packets)
	for deadline := time.Now().Add(patience); ; {
		got := runNft(h.t, "", "list", "counter", "inet", "watch", counter)
		if strings.Contains(got, want) {
			return
		}
		if time.Now().After(deadline) {
			h.t.Errorf("%s; want %s", got, want)
			return
		}
	}
}

// judges wants just those sources to get in after something was done, by TCP and UDP, and packets to be passed on or not.
func (h *trialHost) judges(in []string, passes bool, after func()) {
	h.t.Helper()
	after()
	for _, source := range []string{adminV4, adminV6, strangerV4, strangerV6} {
		want := slices.Contains(in, source)
		if got := h.tcp(source, want); got != want {
			h.t.Errorf("TCP from %s gets in: %v, want %v", source, got, want)
		}
		if got := h.datagram(source, want); got != want {
			h.t.Errorf("UDP from %s gets in: %v, want %v", source, got, want)
		}
	}
	h.reset()
	h.peer.run(func() { h.send(adminV4, "10.99.0.1:4000"); h.send(adminV6, "[fd99::1]:4000") })
	h.until("came", 2)
	if passes {
		h.until("on", 2)
	} else if got := runNft(h.t, "", "list", "counter", "inet", "watch", "on"); !strings.Contains(got, "packets 0 ") {
		h.t.Errorf("passed on: %s", got)
	}
}

func (h *trialHost) reset() {
	h.t.Helper()
	runNft(h.t, "reset counters table inet watch", "-f", "-")
}

func (h *trialHost) tcp(source string, want bool) (in bool) {
	h.peer.run(func() {
		to, within := hostV4, dropped
		if strings.Contains(source, ":") {
			to = hostV6
		}
		if want {
			within = patience
		}
		if conn, err := dialWithin(within, source, to, 22); err == nil {
			in = conn.Close() == nil
		}
	})
	return in
}

// datagram says whether one gets in. That it does not is told once it has come as far as the host.
func (h *trialHost) datagram(source string, want bool) bool {
	h.t.Helper()
	to, within := netip.AddrPortFrom(netip.MustParseAddr(hostV4), 161), dropped/4
	if strings.Contains(source, ":") {
		to = netip.AddrPortFrom(netip.MustParseAddr(hostV6), 161)
	}
	h.reset()
	h.peer.run(func() { h.send(source, to.String()) })
	if want {
		within = patience
	} else {
		h.until("came", 1)
	}
	if err := h.udp.SetReadDeadline(time.Now().Add(within)); err != nil {
		h.t.Fatal(err)
	}
	_, _, err := h.udp.ReadFromUDP(make([]byte, 16))
	return err == nil
}

// send sends a datagram from the namespace of the calling thread.
func (h *trialHost) send(source, to string) {
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 0))
	remote, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		h.t.Error(err)
		return
	}
	conn, err := net.DialUDP("udp", local, remote)
	if err != nil {
		h.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(strconv.Itoa(remote.Port))); err != nil {
		h.t.Error(err)
	}
}

// TestRemove takes the table off, and nothing else.
func TestRemove(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	runNft(t, "table inet other { chain c { type filter hook input priority 0; }; }", "-f", "-")
	for range 2 { // the second time there is none
		if err := c.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := runNft(t, "", "list", "tables"); got != "table inet other\n" {
			t.Errorf("left: %s", got)
		}
		if err := c.Apply(t.Context(), compile(t, randomPolicy(3))); err != nil {
			t.Fatal(err)
		}
	}
}
