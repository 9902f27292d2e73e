package kernel

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hostRuleset is a ruleset of the shape of ours, and more: sets, maps of every kind that a rule can have.
func hostRuleset(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/host.nft")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// loadNft brings a script into the namespace of the test's thread.
func loadNft(t testing.TB, script string) {
	t.Helper()
	runNft(t, script, "-f", "-")
}

// withHandles puts the handles of rules in place of words such as HANDLE:input:3, the fourth rule of the chain input.
func withHandles(t testing.TB, script string) string {
	t.Helper()
	for _, c := range dumpHere(t).table.chains {
		// From the last, so that HANDLE:input:1 is not found in HANDLE:input:15.
		for i, r := range slices.Backward(c.rules) {
			handle := fmt.Sprint(r.attrs.NumberOr0(unix.NFTA_RULE_HANDLE))
			script = strings.ReplaceAll(script, fmt.Sprintf("HANDLE:%s:%d", c.name, i), handle)
		}
	}
	return script
}

// TABLE stands for "inet sallyport" in the scripts of these tests.
const tableWord = "TABLE"

// script fills in the table's name and the handles.
func script(t testing.TB, words string) string {
	t.Helper()
	return withHandles(t, strings.ReplaceAll(words, tableWord, "inet sallyport")) + "\n"
}

// TestEveryChangeShows changes one thing at a time of a live table.
func TestEveryChangeShows(t *testing.T) {
	const outLimit = "replace rule TABLE output handle HANDLE:output:15 "
	for _, change := range []string{
		"insert rule TABLE input accept",
		"add rule TABLE input accept",
		"add rule TABLE allow_in tcp dport 23 accept",
		"insert rule TABLE input jump allow_in",
		"delete rule TABLE forward handle HANDLE:forward:0",
		"replace rule TABLE forward handle HANDLE:forward:0 ct state established accept",
		"replace rule TABLE forward handle HANDLE:forward:1 counter name c_drop_fwd accept",
		"replace rule TABLE forward handle HANDLE:forward:1 counter name c_spoof drop",
		"replace rule TABLE forward handle HANDLE:forward:1 drop",
		`replace rule TABLE forward handle HANDLE:forward:1 counter name c_drop_fwd drop comment "x"`,
		"replace rule TABLE input handle HANDLE:input:3 meta l4proto { icmp, ipv6-icmp, tcp } jump icmp_in",
		"replace rule TABLE input handle HANDLE:input:3 meta l4proto != { icmp, ipv6-icmp } jump icmp_in",
		outLimit + `limit rate 31/minute burst 10 packets log prefix "sallyport-out " group 4`,
		outLimit + `limit rate 30/minute burst 11 packets log prefix "sallyport-out " group 4`,
		outLimit + `limit rate 30/minute burst 10 packets log prefix "sallyport-oux " group 4`,
		outLimit + `limit rate 30/minute burst 10 packets log prefix "sallyport-out " group 5`,
		"delete rule TABLE forward handle HANDLE:forward:1\n" + // the order of two rules
			"insert rule TABLE forward counter name c_drop_fwd drop",
		"flush chain TABLE input",
		"flush table TABLE",
		"chain TABLE input { policy accept; }",
		"table TABLE { flags dormant; }",
		"add chain TABLE extra",
		"add chain TABLE extra { type filter hook input priority -400; policy accept; }",
		"add chain TABLE extra { type nat hook prerouting priority -100; policy accept; }",
		"add chain TABLE extra { type filter hook ingress device lo priority 0; }",
		"add element TABLE mgmt4 { 10.99.0.0/24 }",
		"add element TABLE mgmt4 { 10.77.0.16/29 }", // side by side with what is there
		"delete element TABLE mgmt4 { 10.77.0.8/29 }",
		"flush set TABLE mgmt4",
		"add element TABLE open_tcp { 23 }",
		"add element TABLE open_tcp { 0-65535 }",
		"add element TABLE out_dns4 { 9.9.9.9 }",
		`delete element TABLE out_dns4 { 10.77.0.10 }; add element TABLE out_dns4 { 10.77.0.10 comment "x" }`,
		"add element TABLE out_web4 { 9.9.9.9 . 443 }", // of a timed set, but it does not expire
		"add set TABLE extra { type ipv4_addr; }",
		"add map TABLE extra { type inet_service : verdict; elements = { 23 : accept }; }",
		"add counter TABLE extra",
		"add quota TABLE extra { over 10 mbytes }",
		"add limit TABLE extra { rate 1/second }",
		"delete table TABLE; add table TABLE",
	} {
		t.Run(change, func(t *testing.T) {
			newNamespace(t)
			loadNft(t, hostRuleset(t))
			before := dumpHere(t)
			loadNft(t, script(t, change))
			after := dumpHere(t)
			if before.Equal(after) || before.Hash() == after.Hash() {
				t.Error("does not show")
			}
			if before.Ruleset().String() == after.Ruleset().String() {
				t.Errorf("does not show in words:\n%s", after.Ruleset())
			}
		})
	}
}

// TestWhatIsNoChange does what changes nothing that judges a packet.
func TestWhatIsNoChange(t *testing.T) {
	for _, change := range []string{
		"delete rule TABLE output handle HANDLE:output:17\n" +
			"add rule TABLE output counter name c_drop_out reject with icmpx admin-prohibited",
		"replace rule TABLE forward handle HANDLE:forward:1 counter name c_drop_fwd drop",
		"replace rule TABLE input handle HANDLE:input:3 meta l4proto { ipv6-icmp, icmp } jump icmp_in",
		"add element TABLE mgmt4 { 10.77.0.8/29 }",
		"delete element TABLE mgmt4 { 10.77.0.8/29 }\nadd element TABLE mgmt4 { 10.77.0.8/30, 10.77.0.12/30 }",
		"add element TABLE seen4 { 192.0.2.1 }",
		"add element TABLE out_web4 { 192.0.2.1 . 443 timeout 1h }",
		"delete element TABLE out_web4 { 10.77.0.10 . 443 }",
		"table inet sallyport2 { chain input { type filter hook input priority 0; policy drop; }; }",
		"table ip sallyport { chain input { type filter hook input priority 0; policy drop; }; set s { type mark; }; }",
		"add chain TABLE icmp_in",
		"reset counters table TABLE",
	} {
		t.Run(change, func(t *testing.T) {
			newNamespace(t)
			loadNft(t, hostRuleset(t))
			before := dumpHere(t)
			loadNft(t, script(t, change))
			if after := dumpHere(t); !after.Equal(before) {
				t.Errorf("shows:\n%s", differingLines(before, after))
			}
		})
	}
}

// TestTrafficIsNoChange counts packets, in rules and in named counters, and fills a dynamic set.
func TestTrafficIsNoChange(t *testing.T) {
	newNamespace(t)
	loadNft(t, hostRuleset(t))
	loadNft(t, `table inet sallyport { chain lo { type filter hook output priority -20; policy accept
		counter name c_spoof quota over 1 bytes add @seen4 { ip daddr }
		ip daddr @counted accept
	}
	set counted { type ipv4_addr; counter; elements = { 127.0.0.1 }; }
	}
`)
	before := dumpHere(t)
	ping(t)
	c := open4Test(t)
	after, err := c.Dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counters := after.Counters()
	if counters["c_spoof"].Packets == 0 || counters["c_spoof"].Bytes == 0 || counters["c_drop_fwd"] != (Count{}) {
		t.Errorf("counters after traffic: %v", counters)
	}
	if len(counters) != 6 {
		t.Errorf("%d counters: %v", len(counters), counters)
	}
	if after := dumpHere(t); !after.Equal(before) {
		t.Errorf("traffic shows:\n%s", differingLines(before, after))
	}
	if counted := runNft(t, "", "list", "set", "inet", "sallyport", "counted"); strings.Contains(counted, "packets 0") {
		t.Errorf("no traffic met the element:\n%s", counted)
	}
	if seen := runNft(t, "", "list", "set", "inet", "sallyport", "seen4"); !strings.Contains(seen, "127.0.0.1") {
		t.Errorf("no traffic met the rule:\n%s", seen)
	}
}

// ping sends some packets over the loopback interface, with nobody to receive them.
func ping(t testing.TB) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		unprepared(t, "ip: %v: %s", err, out)
	}
	conn, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for range 3 {
		_, _ = conn.Write([]byte("x")) // refused, as there is nobody: it has passed the rule all the same
	}
}

// TestLoadedAgainIsEqual loads the same text into two namespaces, where handles and names of sets differ.
func TestLoadedAgainIsEqual(t *testing.T) {
	newNamespace(t)
	loadNft(t, hostRuleset(t))
	first := dumpHere(t)
	newNamespace(t)
	loadNft(t, "table inet sallyport { chain c { tcp dport { 1, 2 } accept; tcp dport { 3, 4 } accept; }; }\n")
	loadNft(t, hostRuleset(t))
	if second := dumpHere(t); !second.Equal(first) {
		t.Errorf("the same text:\n%s", differingLines(first, second))
	}
}

// TestRandomChange makes a random edit of a random table: the dump must differ exactly when what nft lists without
// counters and handles does.
func TestRandomChange(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 2))
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			newNamespace(t)
			loadNft(t, compile(t, randomPolicy(seed)).String())
			for range 4 {
				before, listed := dumpHere(t), runNft(t, "", "-s", "-t", "list", "table", "inet", "sallyport")
				change := randomChange(r, before)
				loadNft(t, change)
				after, relisted := dumpHere(t), runNft(t, "", "-s", "-t", "list", "table", "inet", "sallyport")
				if before.Equal(after) != (listed == relisted) {
					t.Fatalf("%s\ndump equal: %v\n%s", change, before.Equal(after), differingLines(before, after))
				}
			}
		})
	}
}

// randomChange is one edit of a rule, a set or a chain.
func randomChange(r *rand.Rand, d Dump) string {
	chain := d.table.chains[r.IntN(len(d.table.chains))]
	at := "inet sallyport " + chain.name
	matches := []string{"tcp dport 7", "ip saddr 192.0.2.0/24", "meta l4proto { 6, 17 }", "ct state new", "udp sport 1-9"}
	match := matches[r.IntN(len(matches))] + fmt.Sprintf(" meta length %d", r.IntN(1000))
	rule := r.IntN(max(1, len(chain.rules)))
	handle := uint64(0)
	if len(chain.rules) > 0 {
		handle = chain.rules[rule].attrs.NumberOr0(unix.NFTA_RULE_HANDLE)
	}
	switch kind := r.IntN(7); {
	case kind == 0:
		return "insert rule " + at + " " + match + " accept\n"
	case kind == 1:
		return "add rule " + at + " " + match + " drop\n"
	case kind == 2 && handle > 0:
		return fmt.Sprintf("delete rule %s handle %d\n", at, handle)
	case kind == 3 && handle > 0:
		return fmt.Sprintf("replace rule %s handle %d %s counter return\n", at, handle, match)
	case kind == 4:
		return fmt.Sprintf("add set inet sallyport s%d { type ipv4_addr; flags interval; elements = { 192.0.2.%d/31 }; }\n",
			r.IntN(1000), r.IntN(127)*2)
	case kind == 5:
		return "flush chain " + at + "\n"
	default:
		return fmt.Sprintf("add element inet sallyport seen4 { 192.0.2.%d }\n", r.IntN(256))
	}
}

// TestLargeSet reads back 100,000 elements, each a prefix that touches no other.
func TestLargeSet(t *testing.T) {
	const elements = 100_000
	newNamespace(t)
	loadNft(t, setOf(elements))
	d := dumpHere(t)
	r := d.Ruleset()
	if len(r.Sets) != 1 || len(r.Sets[0].Elements) != elements || r.Sets[0].Foreign != "" {
		t.Fatalf("%d sets, the first with %d elements", len(r.Sets), len(r.Sets[0].Elements))
	}
	loadNft(t, "delete element inet sallyport s { 10.1.2.4 }\n")
	if dumpHere(t).Equal(d) {
		t.Error("one element of 100,000 less does not show")
	}
}

// setOf is a table with an interval set of so many single addresses, two apart.
func setOf(elements int) string {
	var b strings.Builder
	b.WriteString("table inet sallyport {\nset s { type ipv4_addr; flags interval; elements = {")
	for i := range elements {
		fmt.Fprintf(&b, "10.%d.%d.%d,", i>>15, i>>7&0xff, i<<1&0xff)
	}
	b.WriteString("}\n}\n}\n")
	return b.String()
}

func TestNoTable(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	if _, err := c.Dump(t.Context()); !errors.Is(err, ErrNoTable) {
		t.Errorf("Dump: %v", err)
	}
	if _, err := c.Read(t.Context()); !errors.Is(err, ErrNoTable) {
		t.Errorf("Read: %v", err)
	}
}

func TestZeroDumpIsEqualToNothing(t *testing.T) {
	var a, b Dump
	if a.Equal(b) {
		t.Error("two dumps that nobody took are equal")
	}
}

func TestDumpEndsWithItsContext(t *testing.T) {
	newNamespace(t)
	loadNft(t, setOf(1000))
	c := open4Test(t)
	for range 2 { // with a socket to be opened, and with one that is open
		ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
		defer cancel()
		if _, err := c.Dump(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if _, err := c.Dump(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after a cancel: %v", err)
		}
		if _, err := c.Dump(t.Context()); err != nil {
			t.Errorf("after one that was broken off: %v", err)
		}
	}
}

// TestDumpBrokenOff ends contexts in the midst of dumps, and wants each later one to be whole.
func TestDumpBrokenOff(t *testing.T) {
	newNamespace(t)
	loadNft(t, setOf(10_000))
	c := open4Test(t)
	want := dumpHere(t)
	broken := 0
	for i := range 30 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*300*time.Microsecond)
		if _, err := c.Dump(ctx); err != nil {
			broken++
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("broken off: %v", err)
			}
		}
		cancel()
		got, err := c.Dump(t.Context())
		if err != nil || !got.Equal(want) {
			t.Fatalf("after one that was broken off: %v\n%s", err, differingLines(got, want))
		}
	}
	if broken == 0 {
		t.Error("no dump was broken off: the test proves nothing")
	}
}

// TestDumpAmongChanges dumps while another thread changes the table without a pause: each dump is one of the two states,
// or an error that says that it cannot be told.
func TestDumpAmongChanges(t *testing.T) {
	newNamespace(t)
	loadNft(t, hostRuleset(t))
	with := dumpHere(t)
	loadNft(t, script(t, "delete element TABLE mgmt_tcp { 22 }; delete rule TABLE forward handle HANDLE:forward:1"))
	without := dumpHere(t)
	cmd := exec.CommandContext(t.Context(), "nft", "-i")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		unprepared(t, "nft: %v", err)
	}
	done := make(chan error, 1)
	go func() {
		for range 200 {
			_, _ = fmt.Fprintln(stdin, "add element inet sallyport mgmt_tcp { 22 }; "+
				"add rule inet sallyport forward counter name c_drop_fwd drop")
			_, _ = fmt.Fprintln(stdin, "delete element inet sallyport mgmt_tcp { 22 }; "+
				"flush chain inet sallyport forward; add rule inet sallyport forward ct state established,related accept")
		}
		_ = stdin.Close() // nft ends then, and Wait says how
		done <- cmd.Wait()
	}()
	c, states := open4Test(t), map[[32]byte]int{}
	for running := true; running; {
		select {
		case err := <-done:
			running = false
			if err != nil {
				t.Error(err)
			}
		default:
		}
		d, err := c.Dump(t.Context())
		switch {
		case errors.Is(err, ErrUnsteady):
		case err != nil:
			t.Fatal(err)
		case !d.Equal(with) && !d.Equal(without):
			t.Fatalf("a torn dump:\n%s", differingLines(with, d))
		default:
			states[d.Hash()]++
		}
	}
	if len(states) == 0 {
		t.Error("not one dump")
	}
	t.Logf("dumps of each state: %v", slices.Collect(maps.Values(states)))
}

func BenchmarkDump(b *testing.B) {
	for _, elements := range []int{100, 10_000} {
		b.Run(fmt.Sprint(elements), func(b *testing.B) {
			newNamespace(b)
			loadNft(b, setOf(elements))
			c := open4Test(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Dump(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
