package kernel

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// fresh is the dump of a ruleset applied to a namespace that holds nothing.
func fresh(t testing.TB, r firewall.Ruleset) Dump {
	t.Helper()
	c := open4Test(t)
	removeTable(t)
	if err := c.Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	d := dumpHere(t)
	removeTable(t)
	return d
}

func removeTable(t testing.TB) {
	t.Helper()
	runNft(t, "table inet sallyport {}\ndelete table inet sallyport\n", "-f", "-")
}

// TestApplyFromAnyPolicy holds that what was there before leaves no trace.
func TestApplyFromAnyPolicy(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	for seed := range uint64(20) {
		from, to := compile(t, randomPolicy(seed)), compile(t, randomPolicy(seed+1000))
		want := fresh(t, to)
		for _, r := range []firewall.Ruleset{from, to} {
			if err := c.Apply(t.Context(), r); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if got := dumpHere(t); !got.Equal(want) {
			t.Fatalf("seed %d: applied over another, and alone:\n%s", seed, differingLines(got, want))
		}
		removeTable(t)
	}
}

// hostPolicy is a policy with everything in it that a ruleset can have.
func hostPolicy() firewall.Policy {
	return firewall.Policy{
		Ping: true,
		Management: []firewall.Exception{{
			Name: "ssh-admins", Ports: ports("22/tcp"), From: prefixes("10.20.0.0/24", "2001:db8:20::/64"),
		}},
		Allow: []firewall.Exception{{
			Name: "web", Any: true, Ports: ports("80/tcp", "8000-8010/tcp", "443/udp"),
			Interfaces: []string{"eth0", "eth1", "wg*"},
		}},
	}
}

// TestApplyOverDrift brings back what others have done to the table, each in its own way.
func TestApplyOverDrift(t *testing.T) {
	const in, again = " inet sallyport ", "\n# and in a transaction of its own\n"
	rules := compile(t, hostPolicy())
	for name, script := range map[string]string{
		"as it is":             "",
		"no rules":             "flush table inet sallyport",
		"no chain of ours":     "flush chain" + in + "allow_in\nflush chain" + in + "in_web\ndelete chain" + in + "in_web",
		"a rule put first":     "insert rule" + in + "inbound accept",
		"a rule of another":    "add rule" + in + "inbound meta skuid 0 reject",
		"a foreign base chain": "add chain" + in + "evil { type nat hook prerouting priority dstnat; }",
		"a foreign inner chain": "add chain" + in + "evil\nadd rule" + in + "evil accept\n" +
			"insert rule" + in + "inbound jump evil",
		"policy accept":       "chain" + in + "input { policy accept; }",
		"dormant":             "table inet sallyport { flags dormant; }",
		"dormant and emptied": "table inet sallyport { flags dormant; }\nflush table inet sallyport",
		"dormant and displaced": "flush table inet sallyport\ndelete chain" + in + "input\n" + again +
			"add table inet sallyport { flags dormant; }",
		"dormant, policy accept": "chain" + in + "input { policy accept; }\n" + again +
			"add table inet sallyport { flags dormant; }",
		"another hook": "flush chain" + in + "input\ndelete chain" + in + "input\n" +
			"add chain" + in + "input { type filter hook output priority 0; }",
		"a base chain made regular": "flush chain" + in + "input\ndelete chain" + in + "input\nadd chain" + in + "input",
		"a regular chain made base": "flush table inet sallyport\ndelete chain" + in + "icmp_in\n" +
			"add chain" + in + "icmp_in { type filter hook input priority 5; policy drop; }",
		"elements taken": "flush set" + in + "in_ssh-admins_4",
		"elements added": "add element" + in + "in_ssh-admins_4 { 192.0.2.0/24 }",
		"elements with a comment": "flush set" + in + "in_ssh-admins_4\n" +
			"add element" + in + `in_ssh-admins_4 { 10.20.0.0/24 comment "mine" }`,
		"a set of another type": replaceSet("type ipv4_addr; flags interval,timeout;"),
		"a set of another key":  replaceSet("type ipv6_addr; flags interval;"),
		"a smaller log set": "flush table inet sallyport\ndelete set" + in + "seen4\n" +
			"add set" + in + "seen4 { type ipv4_addr; size 2; flags dynamic,timeout; timeout 1s; }",
		"a set with counters": replaceSet("type ipv4_addr; flags interval; counter;"),
		"a map in the set's place": "flush table inet sallyport\ndelete set" + in + "in_ssh-admins_4\n" +
			"add map" + in + "in_ssh-admins_4 { type ipv4_addr : verdict; }",
		"foreign sets and maps": "add set" + in + "evil { type inet_service; }\n" +
			"add map" + in + "evilmap { type inet_service : verdict; elements = { 23 : goto in_web }; }\n" +
			"insert rule" + in + "inbound tcp dport vmap @evilmap",
		"a map into a foreign chain": "add chain" + in + "evil\n" +
			"add map" + in + "evilmap { type inet_service : verdict; elements = { 23 : goto evil }; }",
		"foreign objects": "add quota" + in + "q { 10 mbytes }\nadd limit" + in + "l { rate 1/second }\n" +
			"add counter" + in + "evil\nadd ct helper" + in + `h { type "ftp" protocol tcp; }`,
		"an object in a counter's place": "flush table inet sallyport\ndelete counter" + in + "c_spoof\n" +
			"add quota" + in + "c_spoof { 1 mbytes }",
		"an object map": "add counter" + in + "evil\n" +
			"add map" + in + "evilmap { type inet_service : counter; elements = { 23 : \"evil\" }; }",
		"an inline chain": "insert rule" + in + "inbound tcp dport 23 jump { accept; }",
		"other's comment": "flush chain" + in + "input\n" +
			"add rule" + in + `input goto inbound comment "sallyport policy none"`,
		"counters of another": "delete table inet sallyport\nadd table inet sallyport\nadd counter" + in + "c_spoof",
	} {
		t.Run(name, func(t *testing.T) {
			newNamespace(t)
			want := fresh(t, rules)
			c := open4Test(t)
			if err := c.Apply(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
			for part := range strings.SplitSeq(script, again) {
				runNft(t, part+"\n", "-f", "-")
			}
			if drifted := dumpHere(t); script != "" && drifted.Equal(want) {
				t.Fatal("the script changed nothing: the test proves nothing")
			}
			if err := c.Apply(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
			if got := dumpHere(t); !got.Equal(want) {
				t.Errorf("repaired, and fresh:\n%s", differingLines(got, want))
			}
		})
	}
}

func replaceSet(spec string) string {
	return "flush table inet sallyport\ndelete set inet sallyport in_ssh-admins_4\n" +
		"add set inet sallyport in_ssh-admins_4 { " + spec + " }"
}

// TestApplyKeepsBaseChains holds that a base chain is made once: its handle never changes, whatever happens around it.
func TestApplyKeepsBaseChains(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	var first string
	for seed := range uint64(10) {
		p := randomPolicy(seed)
		p.Forward = firewall.ForwardDrop
		if err := c.Apply(t.Context(), compile(t, p)); err != nil {
			t.Fatal(err)
		}
		runNft(t, "chain inet sallyport input { policy accept; }\nadd chain inet sallyport evil\n", "-f", "-")
		var handles []string
		for line := range strings.Lines(runNft(t, "", "-a", "list", "chains")) {
			for _, base := range []string{"chain prerouting ", "chain input ", "chain forward "} {
				if strings.Contains(line, base) {
					handles = append(handles, strings.TrimSpace(line))
				}
			}
		}
		now := strings.Join(handles, "\n")
		if len(handles) != 3 || first != "" && now != first {
			t.Fatalf("seed %d: base chains were\n%s\nand are\n%s", seed, first, now)
		}
		first = now
	}
}

// TestApplyKeepsCounters holds that named counters count on over an apply of another policy.
func TestApplyKeepsCounters(t *testing.T) {
	newNamespace(t)
	runNft(t, "table inet sallyport { counter c_spoof { packets 17 bytes 1700 }\n"+
		"counter in_ssh-admins { packets 3 bytes 4 }\n }\n", "-f", "-")
	c := open4Test(t)
	other := firewall.Policy{Management: hostPolicy().Management, Forward: firewall.ForwardAccept}
	for _, p := range []firewall.Policy{hostPolicy(), other} {
		if err := c.Apply(t.Context(), compile(t, p)); err != nil {
			t.Fatal(err)
		}
	}
	for counter, want := range map[string]string{
		"c_spoof": "packets 17 bytes 1700", "in_ssh-admins": "packets 3 bytes 4",
	} {
		if got := runNft(t, "", "list", "counter", "inet", "sallyport", counter); !strings.Contains(got, want) {
			t.Errorf("after two applies: %s, want %s", got, want)
		}
	}
}

// TestApplyLeavesOthers holds that another's table is not touched.
func TestApplyLeavesOthers(t *testing.T) {
	newNamespace(t)
	runNft(t, "table inet other { set s { type ipv4_addr; elements = { 10.0.0.1 } }\n"+
		"chain input { type filter hook input priority 0; accept; }\n }\n"+
		"table ip sallyport { chain c { counter; }\n }\n", "-f", "-")
	before := runNft(t, "", "-a", "list", "ruleset")
	c := open4Test(t)
	for seed := range uint64(3) {
		if err := c.Apply(t.Context(), compile(t, randomPolicy(seed))); err != nil {
			t.Fatal(err)
		}
	}
	removeTable(t)
	if after := runNft(t, "", "-a", "list", "ruleset"); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestApplyAtWrongGeneration holds that what was decided on an outdated look at the ruleset is not committed.
func TestApplyAtWrongGeneration(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	rules := compile(t, hostPolicy())
	gen, err := c.nft.GetGen()
	if err != nil {
		t.Fatal(err)
	}
	runNft(t, "add table inet other\n", "-f", "-")
	code, err := encode.Ruleset(rules)
	if err != nil {
		t.Fatal(err)
	}
	tx := newTransaction(c.nft, order{table: firewall.Table}, rawTable{})
	tx.absent = true
	tx.content(code)
	if err := c.nft.FlushWithGenID(gen.ID); !errors.Is(err, unix.ERESTART) {
		t.Fatalf("a transaction made for another generation: %v, want ERESTART", err)
	}
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
}

// TestApplyLarge holds that nothing is lost on the way in, at sizes where the library once lost most of it.
func TestApplyLarge(t *testing.T) {
	for _, cidrs := range []int{10_000, 100_000} {
		t.Run(fmt.Sprint(cidrs), func(t *testing.T) {
			if testing.Short() && cidrs > 10_000 {
				t.Skip("some seconds")
			}
			newNamespace(t)
			c := open4Test(t)
			rules := compile(t, wide(cidrs))
			n := 0
			for _, s := range rules.Sets {
				n += len(s.Elements)
			}
			if n != cidrs {
				t.Fatalf("the policy has %d CIDRs, its ruleset %d elements", cidrs, n)
			}
			for range 2 { // onto nothing, and onto itself
				if err := c.Apply(t.Context(), rules); err != nil {
					t.Fatal(err)
				}
			}
			if drift := firewall.Diff(rules, dumpHere(t).Ruleset()); !drift.Empty() {
				t.Error(drift)
			}
		})
	}
}

// TestApplyRandomMutation deletes or doubles one rule or element of a live table, and wants it seen and put back.
func TestApplyRandomMutation(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	r := rand.New(rand.NewPCG(7, 7))
	rules := compile(t, hostPolicy())
	for range 15 {
		if err := c.Apply(t.Context(), rules); err != nil {
			t.Fatal(err)
		}
		chain := rules.Chains[r.IntN(len(rules.Chains))]
		handles := ruleHandles(t, chain.Name)
		if len(handles) == 0 {
			continue
		}
		handle := handles[r.IntN(len(handles))]
		runNft(t, "", "delete", "rule", "inet", "sallyport", chain.Name, "handle", handle)
		drift := firewall.Diff(rules, dumpHere(t).Ruleset())
		if len(drift.Changes) != 1 || !drift.Changes[0].Missing || drift.Changes[0].In != chain.Name {
			t.Errorf("a rule of %s deleted: %v", chain.Name, drift)
		}
	}
}

func ruleHandles(t testing.TB, chain string) []string {
	t.Helper()
	var handles []string
	for line := range strings.Lines(runNft(t, "", "-a", "list", "chain", "inet", "sallyport", chain)) {
		text, handle, ok := strings.Cut(strings.TrimSpace(line), " # handle ")
		if ok && !strings.HasPrefix(text, "chain ") && !strings.HasPrefix(text, "table ") {
			handles = append(handles, handle)
		}
	}
	return handles
}

// TestApplyNotPermitted holds that a process without CAP_NET_ADMIN is told so, and nothing is changed.
func TestApplyNotPermitted(t *testing.T) {
	newNamespace(t)
	if os.Geteuid() != 0 {
		t.Skip("only root has a capability to give away")
	}
	dropNetAdmin(t)
	c := open4Test(t)
	err := c.Apply(t.Context(), compile(t, hostPolicy()))
	const says = "kernel: nftables needs CAP_NET_ADMIN (run as root): operation not permitted"
	if !errors.Is(err, ErrNotPermitted) || err.Error() != says {
		t.Fatalf("without CAP_NET_ADMIN: %v, want %s", err, says)
	}
}

// dropNetAdmin takes all capabilities from the test's thread, which ends with the test.
func dropNetAdmin(t testing.TB) {
	t.Helper()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&hdr, &none[0]); err != nil {
		t.Fatal(err)
	}
}

// TestApplyOwned holds that a table that another program owns is said to be so, and stays as it is.
func TestApplyOwned(t *testing.T) {
	newNamespace(t)
	owner := open4Test(t)
	owner.nft.AddTable(&nftables.Table{
		Family: nftables.TableFamilyINet, Name: firewall.Table, Flags: nftables.TableFlagOwner,
	})
	if err := owner.nft.Flush(); err != nil {
		t.Fatal(err)
	}
	err := open4Test(t).Apply(t.Context(), compile(t, hostPolicy()))
	says := fmt.Sprintf("kernel: table inet sallyport is owned by another program, which must end first: %q (pid %d)",
		"kernel.test", os.Getpid())
	if !errors.Is(err, ErrOwned) || errors.Is(err, ErrNotPermitted) || err.Error() != says {
		t.Errorf("got %v, want %s", err, says)
	}
	if got := dumpHere(t); len(got.table.chains) != 0 {
		t.Errorf("a refused apply left\n%s", got)
	}
}

// TestApplyCancelled holds that a context that has ended ends it before anything is written.
func TestApplyCancelled(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Apply(ctx, compile(t, hostPolicy())); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if left := runNft(t, "", "list", "ruleset"); left != "" {
		t.Errorf("a cancelled apply left\n%s", left)
	}
}
