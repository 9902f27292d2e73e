package kernel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall/internal/kerneltest"
)

// connecting makes one connection attempt on the thread that it is called on, and gives it up after a while.
func connecting(to netip.AddrPort, within time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		dialer := net.Dialer{Timeout: within}
		conn, err := dialer.DialContext(ctx, "tcp", to.String())
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// traced is the fate of a connection attempt. Afterwards, the table is gone.
func traceTo(t *testing.T, to string) Fate {
	t.Helper()
	at := netip.MustParseAddrPort(to)
	fate, err := Trace(t.Context(), Flight{To: at}, connecting(at, 100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	if list := kerneltest.Nft(t, "", "list", "ruleset"); strings.Contains(list, traceTable) {
		t.Errorf("the table is still there: %s", list)
	}
	return fate
}

// tracedFaults are rules of others that stop connections, one for each port, and who is to be named for it.
func tracedFaults() []struct {
	name, ruleset string
	end           End // with no handle where the policy did it, else with any
} {
	rule := func(family, chain, text string) End {
		return End{Family: family, Table: "others", Chain: chain, Handle: 1, Rule: text}
	}
	base := func(family, hook, priority, rules string) string {
		return "table " + family + " others { chain c { type filter hook " + hook + " priority " + priority + "; " +
			rules + "; }; }"
	}
	return []struct {
		name, ruleset string
		end           End
	}{
		{"drop", base("inet", "output", "0", "tcp dport 8443 drop"), rule("inet", "c", "tcp dport 8443 drop")},
		{"reset", base("inet", "output", "0", "tcp dport 8443 reject with tcp reset"),
			rule("inet", "c", "tcp dport 8443 reject with tcp reset")},
		{"prohibited", base("inet", "output", "0", "tcp dport 8443 reject with icmpx admin-prohibited"),
			rule("inet", "c", "tcp dport 8443 reject with icmpx admin-prohibited")},
		{"anonymous set", base("inet", "output", "0", "tcp dport { 22, 8443 } counter drop"),
			rule("inet", "c", "tcp dport { 22, 8443 } counter drop")},
		{"policy", base("inet", "output", "0", "policy drop"), End{Family: "inet", Table: "others", Chain: "c"}},
		{"first of all", base("inet", "output", "-400", "tcp dport 8443 drop"), rule("inet", "c", "tcp dport 8443 drop")},
		{"raw", base("inet", "output", "raw", "tcp dport 8443 drop"), rule("inet", "c", "tcp dport 8443 drop")},
		{"last", base("inet", "output", "500", "tcp dport 8443 drop"), rule("inet", "c", "tcp dport 8443 drop")},
		{"postrouting", base("inet", "postrouting", "0", "tcp dport 8443 drop"), rule("inet", "c", "tcp dport 8443 drop")},
		{"user", base("inet", "output", "0", "meta skuid 0 drop"), rule("inet", "c", "meta skuid 0 drop")},
		{"comment", base("inet", "output", "0", `tcp dport 8443 drop comment "no\x1b[31m"`),
			End{Family: "inet", Table: "others", Chain: "c", Handle: 1, Rule: "tcp dport 8443 drop",
				Comment: `no\\x1b[31m`}},
		{"jump", `table inet others { chain last { tcp dport 8443 drop; }; chain web { counter; goto last; };
			chain c { type filter hook output priority 0; tcp dport vmap { 8443 : jump web }; }; }`,
			rule("inet", "last", "tcp dport 8443 drop")},
		{"accepted, then dropped", `table inet early { chain c { type filter hook output priority -10; accept; }; }
			table inet others { chain c { type filter hook output priority 0; tcp dport 8443 drop; }; }`,
			rule("inet", "c", "tcp dport 8443 drop")},
		{"answer", base("inet", "input", "0", "tcp sport 8443 drop"),
			End{Family: "inet", Table: "others", Chain: "c", Handle: 1, Answer: true, Rule: "tcp sport 8443 drop"}},
		{"answer, by policy", base("inet", "prerouting", "-150", "meta l4proto != tcp accept; policy drop"),
			End{Family: "inet", Table: "others", Chain: "c", Answer: true}},
	}
}

// TestTraceNamesTheRule has each way to stop a connection, and wants the rule named, in both families, and the table gone.
func TestTraceNamesTheRule(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	peer.run(func() { listen(t, 8443) })
	for _, test := range tracedFaults() {
		kerneltest.Nft(t, test.ruleset, "-f", "-")
		for _, to := range []string{adminV4 + ":8443", "[" + adminV6 + "]:8443"} {
			fate := traceTo(t, to)
			if fate.Packets == 0 || fate.End == nil || fate.Lost {
				t.Errorf("%s: %s: %+v", test.name, to, fate)
				continue
			}
			got := *fate.End
			if got.Handle != 0 {
				got.Handle = 1
			}
			if got != test.end {
				t.Errorf("%s: %s: %+v, want %+v", test.name, to, got, test.end)
			}
		}
		kerneltest.Nft(t, "", "flush", "ruleset")
	}
}

// TestTraceOfOneFamily has tables of the families ip, ip6 and netdev, and of iptables over nftables.
func TestTraceOfOneFamily(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	peer.run(func() { listen(t, 8443) })
	v4, v6 := adminV4+":8443", "["+adminV6+"]:8443"
	const chain = " others { chain c { type filter hook output priority 0; tcp dport 8443 drop; }; }"
	tests := []struct {
		rules        []string // each by its program
		to, family   string
		chain, words string
	}{
		{[]string{"nft add table ip others", "nft table ip" + chain}, v4, "ip", "c", "tcp dport 8443 drop"},
		{[]string{"nft table ip6" + chain}, v6, "ip6", "c", "tcp dport 8443 drop"},
		{[]string{"nft table netdev others { chain c { type filter hook egress device h0 priority 0; " +
			"tcp dport 8443 drop; }; }"}, v4, "netdev", "c", "tcp dport 8443 drop"},
		{[]string{"iptables-nft -A OUTPUT -p tcp --dport 8443 -j DROP"}, v4, "ip", "OUTPUT", "drop"},
		{[]string{"ip6tables-nft -N web", "ip6tables-nft -A OUTPUT -j web",
			"ip6tables-nft -A web -p tcp --dport 8443 -j REJECT --reject-with tcp-reset"}, v6, "ip6", "web", "REJECT"},
	}
	for _, test := range tests {
		for _, line := range test.rules {
			if rules, ok := strings.CutPrefix(line, "nft "); ok {
				kerneltest.Nft(t, rules, "-f", "-")
				continue
			}
			inNamespace(t, line)
		}
		fate := traceTo(t, test.to)
		if fate.End == nil || fate.End.Family != test.family || fate.End.Chain != test.chain || fate.End.Handle == 0 ||
			!strings.Contains(fate.End.Rule, test.words) {
			t.Errorf("%s: %+v, %+v", test.rules, fate, fate.End)
		}
		kerneltest.Nft(t, "", "flush", "ruleset")
	}
}

// TestTraceOfLegacyIptables holds that what legacy iptables has ended is known to be lost here.
func TestTraceOfLegacyIptables(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	peer.run(func() { listen(t, 8443) })
	for _, test := range []struct {
		program, rule, to string
		answer            bool
	}{
		{"iptables-legacy", "OUTPUT -p tcp --dport 8443 -j DROP", adminV4 + ":8443", false},
		{"iptables-legacy", "INPUT -p tcp --sport 8443 -j DROP", adminV4 + ":8443", true},
		{"ip6tables-legacy", "OUTPUT -p tcp --dport 8443 -j REJECT", "[" + adminV6 + "]:8443", false},
	} {
		inNamespace(t, test.program+" -A "+test.rule)
		fate := traceTo(t, test.to)
		if fate.Packets == 0 || fate.End != nil || !fate.Lost || fate.LostAnswer != test.answer {
			t.Errorf("%s %s: %+v", test.program, test.rule, fate)
		}
		inNamespace(t, test.program+" -D "+test.rule)
		if fate := traceTo(t, test.to); fate.Packets == 0 || fate.End != nil || fate.Lost {
			t.Errorf("without it: %+v", fate)
		}
	}
}

// TestTraceOfUDP follows a datagram, and the answer to it.
func TestTraceOfUDP(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	peer.run(func() { echoUDP(t, adminV4+":8053"); echoUDP(t, "["+adminV6+"]:8053") })
	for _, test := range []struct {
		rule   string
		ended  bool
		answer bool
	}{
		{"output priority 0; udp dport 8053 drop", true, false},
		{"output priority 0; udp dport 8053 reject", true, false},
		{"input priority 0; udp sport 8053 drop", true, true}, // waits for its answer in vain
		{"output priority 0; tcp dport 8053 drop", false, false},
	} {
		kerneltest.Nft(t, "table inet o { chain c { type filter hook "+test.rule+"; }; }", "-f", "-")
		for _, host := range []string{adminV4, "[" + adminV6 + "]"} {
			fate, err := Trace(t.Context(), Flight{To: netip.MustParseAddrPort(host + ":8053"), UDP: true},
				datagramTo(host+":8053"))
			if err != nil || fate.Packets == 0 || (fate.End != nil) != test.ended || fate.Lost ||
				test.ended && (fate.End.Answer != test.answer || fate.End.Handle == 0) {
				t.Errorf("%s: %s: %+v, %+v, %v", test.rule, host, fate, fate.End, err)
			}
		}
		kerneltest.Nft(t, "", "delete", "table", "inet", "o")
	}
}

// datagramTo sends a datagram and waits for the answer.
func datagramTo(to string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "udp", to)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(400 * time.Millisecond))
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 1))
		return err
	}
}

// echoUDP answers datagrams until the test ends.
func echoUDP(t *testing.T, at string) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Error(err)
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 16)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(buffer[:n], from)
		}
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
}

// TestTraceLeavesOthersAlone has the other side do what a rule here could, and wants nobody here blamed.
func TestTraceLeavesOthersAlone(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	peer.run(func() {
		listen(t, 8443)
		kerneltest.Nft(t, `table inet theirs { chain in { type filter hook input priority 0;
			tcp dport 1 drop
			tcp dport 2 reject with tcp reset
			tcp dport 3 reject with icmpx admin-prohibited
			tcp dport 4 reject with icmpx port-unreachable
		}; }`, "-f", "-")
	})
	kerneltest.Nft(t, `table inet mine { chain out { type filter hook output priority 0;
		tcp dport 9 drop; counter accept; }; }`, "-f", "-")
	for _, port := range []string{":1", ":2", ":3", ":4", ":5", ":8443"} {
		for _, host := range []string{adminV4, "[" + adminV6 + "]"} {
			if fate := traceTo(t, host+port); fate.Packets == 0 || fate.End != nil || fate.Lost {
				t.Errorf("%s%s: %+v, %+v", host, port, fate, fate.End)
			}
		}
	}
}

// TestTraceOfAUser follows the sockets of one user, of whom alone a rule speaks.
func TestTraceOfAUser(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	peer.run(func() { listen(t, 8443) })
	kerneltest.Nft(t, "table inet o { chain c { type filter hook output priority 0; meta skuid 4242 drop; }; }", "-f", "-")
	to := netip.MustParseAddrPort(adminV4 + ":8443")
	for uid, stopped := range map[uint32]bool{serviceUser: true, 0: false} {
		fate, err := Trace(t.Context(), Flight{To: to, UID: &uid}, func(ctx context.Context) (err error) {
			for _, as := range []int{serviceUser, 0} {
				asUser(t, as, func() { err = connecting(to, 50*time.Millisecond)(ctx) })
			}
			return err
		})
		if err != nil || fate.Packets == 0 || (fate.End != nil) != stopped {
			t.Errorf("uid %d: %+v, %v", uid, fate, err)
		}
	}
}

// TestTraceIsOneAtATime holds that two traces do not meet, that what a killed process left is taken over, and that nothing
// is left by a trace that panics or is given up.
func TestTraceIsOneAtATime(t *testing.T) {
	newNamespace(t)
	ip(t, "link set lo up")
	to := netip.MustParseAddrPort("127.0.0.1:9")
	kerneltest.Nft(t, "add table inet "+traceTable+"\nadd chain inet "+traceTable+" left", "-f", "-")
	_, err := Trace(t.Context(), Flight{To: to}, func(ctx context.Context) error {
		_, err := Trace(ctx, Flight{To: to}, connecting(to, time.Second))
		return want(t, err, ErrTracing)
	})
	if err != nil {
		t.Error(err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = Trace(t.Context(), Flight{To: to}, func(context.Context) error { panic("as intended") })
	}()
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	_, _ = Trace(ctx, Flight{To: to}, func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() })
	_, _ = Trace(t.Context(), Flight{To: to}, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	if took := time.Since(began); took > traceLimit+500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if list := kerneltest.Nft(t, "", "list", "ruleset"); list != "" {
		t.Errorf("left: %s", list)
	}
}

func want(t *testing.T, err, want error) error {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
	return err
}

// TestTraceInAFlood has much traffic beside, and wants the trace bounded and right; with somebody else who has all of that
// traced, bounded, and never wrong.
func TestTraceInAFlood(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	flood := newFlood(t, peer)
	defer flood.end()
	kerneltest.Nft(t, `table inet o { chain in { type filter hook prerouting priority -500; };
		chain c { type filter hook output priority 0; tcp dport 8443 drop; }; }`, "-f", "-")
	to := netip.MustParseAddrPort(adminV4 + ":8443")
	took := time.Duration(0)
	traced := func(sure bool) func() {
		return func() {
			began := time.Now()
			fate, err := Trace(t.Context(), Flight{To: to}, connecting(to, 20*time.Millisecond))
			if err != nil || sure && fate.End == nil || fate.End != nil && fate.End.Chain != "c" || fate.Lost {
				t.Errorf("%+v, %v", fate, err)
			}
			took = max(took, time.Since(began))
		}
	}
	flood.untilSent(t, 10_000, traced(true))
	kerneltest.Nft(t, "add rule inet o in meta nftrace set 1", "-f", "-")
	flood.untilSent(t, 20_000, traced(false))
	if took > traceLimit {
		t.Errorf("it took %v", took)
	}
}

// TestSighting tells what became of packets from what the kernel tells of them.
func TestSighting(t *testing.T) {
	own := func(id uint32, chain string) traceStep {
		return traceStep{at: place{familyInet, traceTable}, chain: chain, id: id, verdict: unix.NFT_CONTINUE}
	}
	of := func(id uint32, verdict int32) traceStep {
		return traceStep{at: place{unix.NFPROTO_IPV4, "filter"}, chain: "OUTPUT", handle: 7, id: id, verdict: verdict}
	}
	queue := End{Family: "ip", Table: "filter", Chain: "OUTPUT", Handle: 7, Queued: true}
	dropped, answer := queue, queue
	dropped.Queued, answer.Queued, answer.Answer = false, false, true
	tests := []struct {
		name  string
		steps []traceStep
		fate  Fate
		end   *End
	}{
		{"nothing", nil, Fate{}, nil},
		{"another's", []traceStep{of(1, verdictDrop)}, Fate{}, nil},
		{"through", []traceStep{own(1, traceAttempt), of(1, 1), own(1, traceLeft)}, Fate{Packets: 1}, nil},
		{"lost", []traceStep{own(1, traceAttempt), of(1, 1)}, Fate{Packets: 1, Lost: true}, nil},
		{"dropped", []traceStep{own(1, traceAttempt), of(1, 1), of(1, verdictDrop), of(1, 1)}, Fate{Packets: 1}, &dropped},
		{"dropped with an error", []traceStep{own(1, traceAttempt), of(1, 1<<16)}, Fate{Packets: 1}, &dropped},
		{"queued", []traceStep{own(1, traceAttempt), of(1, 2<<16|verdictQueue)}, Fate{Packets: 1}, &queue},
		{"queued and back", []traceStep{own(1, traceAttempt), of(1, verdictQueue), own(1, traceLeft)},
			Fate{Packets: 1}, nil},
		{"answer", []traceStep{own(1, traceAttempt), own(1, traceLeft), own(2, traceAnswer), of(2, verdictDrop)},
			Fate{Packets: 2}, &answer},
		{"answer lost", []traceStep{own(1, traceAttempt), own(1, traceLeft), own(2, traceAnswer)},
			Fate{Packets: 2, Lost: true, LostAnswer: true}, nil},
		{"answer came", []traceStep{own(1, traceAttempt), own(1, traceLeft), own(2, traceAnswer), own(2, traceCame)},
			Fate{Packets: 2}, nil},
		{"another's answer", []traceStep{own(2, traceAnswer), of(2, verdictDrop)}, Fate{}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seen := newSighting()
			for _, step := range test.steps {
				seen.step(step)
			}
			fate := seen.fate()
			end := fate.End
			fate.End = nil
			if fate != test.fate || (end == nil) != (test.end == nil) || end != nil && *end != *test.end {
				t.Errorf("%+v, %+v; want %+v, %+v", fate, end, test.fate, test.end)
			}
		})
	}
}

// TestTraceIsNotADrift holds that the table that is there for a moment is no change of ours and no judge.
func TestTraceIsNotADrift(t *testing.T) {
	newNamespace(t)
	ip(t, "link set lo up")
	to := netip.MustParseAddrPort("127.0.0.1:9")
	_, err := Trace(t.Context(), Flight{To: to}, func(context.Context) error {
		for _, table := range takeCensus(t).Tables {
			for _, chain := range table.Chains {
				if chain.Hook.Drop || len(chain.Rules) > 1 {
					t.Errorf("%s: %+v", table, chain)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// FuzzTraceStep holds that no bytes break the reader, and that what it reads is bounded.
func FuzzTraceStep(f *testing.F) {
	f.Add([]byte{}, false)
	f.Add([]byte{unix.NFPROTO_INET, 0, 0, 0, 8, 0, 6, 0, 0, 0, 0, 1}, true)
	f.Fuzz(func(t *testing.T, b []byte, framed bool) {
		seen := newSighting()
		if !framed {
			seen.take(b)
		}
		for _, family := range []byte{unix.NFPROTO_INET, unix.NFPROTO_IPV4} {
			if told, err := decodeTraceStep(family, b); err == nil {
				told.at = place{familyInet, traceTable}
				told.chain = traceAttempt
				seen.step(told)
				told.at.name = "other"
				seen.step(told)
			}
		}
		if fate := seen.fate(); fate.Packets > mostFlights {
			t.Errorf("%+v", fate)
		}
	})
}
