package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// openOwner opens a connection that owns the table that it writes.
func openOwner(t testing.TB) *Conn {
	t.Helper()
	c := open4Test(t)
	c.SetOwnership(OwnershipOwner)
	if _, err := c.wantsOwner(); errors.Is(err, ErrUnsupported) {
		unprepared(t, "%v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	return c
}

// lookHere is the table as it is.
func lookHere(t testing.TB) rawTable {
	t.Helper()
	live, err := open4Test(t).look(t.Context(), firewall.Table)
	if err != nil {
		t.Fatal(err)
	}
	return live
}

// baseHandles are the kernel's handles of the base chains: a chain that is made anew has another.
func baseHandles(live rawTable) string {
	var b strings.Builder
	for _, c := range live.chains {
		if c.attrs.Has(unix.NFTA_CHAIN_HOOK) {
			fmt.Fprintf(&b, "%s %d, ", c.name, c.attrs.NumberOr0(unix.NFTA_CHAIN_HANDLE))
		}
	}
	return b.String()
}

// TestOwnedTableIsNotToBeChanged has nft try everything on a table that is owned: the kernel refuses, or passes it by.
func TestOwnedTableIsNotToBeChanged(t *testing.T) {
	newNamespace(t)
	rules := compile(t, hostPolicy())
	c := openOwner(t)
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	before := dumpHere(t)
	if live := lookHere(t); !c.holds(live) || live.flags&nftTablePersist == 0 {
		t.Fatalf("flags %#x, owner %d: not held", live.flags, live.ownerPort())
	}
	const set = "in_ssh-admins_4"
	for _, command := range []string{
		"flush ruleset", "flush ruleset inet", "delete table inet sallyport", "flush table inet sallyport",
		"flush chain inet sallyport inbound", "insert rule inet sallyport input accept",
		"add rule inet sallyport inbound accept", "chain inet sallyport input { policy accept; }",
		"add table inet sallyport { flags dormant; }", "add element inet sallyport " + set + " { 192.0.2.0/24 }",
		"flush set inet sallyport " + set, "add chain inet sallyport mine { type filter hook input priority -400; }",
		"delete set inet sallyport " + set, "add set inet sallyport mine { type ipv4_addr; }",
		"add table inet sallyport { flags owner; }", "reset counters table inet sallyport",
		"delete table inet sallyport; add table inet sallyport",
	} {
		cmd := exec.CommandContext(t.Context(), "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(command + "\n")
		out, err := cmd.CombinedOutput()
		refused := err != nil && strings.Contains(string(out), "Operation not permitted")
		passedBy := strings.HasPrefix(command, "flush ruleset") || strings.HasPrefix(command, "reset")
		if passedBy == refused {
			t.Errorf("%s: %v: %s", command, err, out)
		}
		if got := dumpHere(t); !got.Equal(before) {
			t.Fatalf("%s went through:\n%s", command, differingLines(before, got))
		}
	}
	if err := c.Apply(t.Context(), compile(t, wide(3))); err != nil {
		t.Errorf("the owner itself: %v", err)
	}
}

// TestOwnedDumpIsTheGoldenOne holds that whose the table is makes no difference to what it says.
func TestOwnedDumpIsTheGoldenOne(t *testing.T) {
	newNamespace(t)
	rules := compile(t, hostPolicy())
	want := fresh(t, rules)
	golden, err := openOwner(t).ApplyRehearsed(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	if !golden.Equal(want) {
		t.Errorf("owned, and not owned:\n%s", differingLines(golden, want))
	}
}

// ownerChild is what a child process of the tests is told by the environment: to own a table until it is killed.
const ownerChild = "SALLYPORT_TEST_OWNER"

// TestOwnerChild is the child: it owns a table, says so, and waits to be killed.
func TestOwnerChild(t *testing.T) {
	if os.Getenv(ownerChild) == "" {
		t.Skip("only as a child of other tests")
	}
	c := openOwner(t)
	if err := c.Apply(t.Context(), compile(t, adminsOnly(adminV4+"/32"))); err != nil {
		t.Fatal(err)
	}
	fmt.Println("owned")
	<-t.Context().Done()
}

// startOwner starts the child in the namespace of the test's thread, and returns it once it owns the table.
func startOwner(t *testing.T) *exec.Cmd {
	t.Helper()
	child := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestOwnerChild$", "-test.timeout=1m")
	child.Env = append(os.Environ(), ownerChild+"=1")
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "owned" {
			return child
		}
	}
	t.Fatalf("the child owns nothing: %v", child.Wait())
	return nil
}

// TestAdoption kills the owner with SIGKILL under a flood: the table goes on judging, the next owner takes it as it is,
// and not one packet gets in.
func TestAdoption(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	child := startOwner(t)
	c := openOwner(t)
	rules := compile(t, adminsOnly(adminV4+"/32"))
	var name string
	if err := c.Apply(t.Context(), rules); !errors.Is(err, ErrOwned) {
		t.Fatalf("of a living owner: %v, want ErrOwned", err)
	} else if name = err.Error(); !strings.Contains(name, fmt.Sprintf("(pid %d)", child.Process.Pid)) {
		t.Errorf("%s; want it to name pid %d", name, child.Process.Pid)
	}
	if err := c.Remove(t.Context()); !errors.Is(err, ErrOwned) {
		t.Errorf("removed from a living owner: %v", err)
	}
	before := lookHere(t)
	f := newFlood(t, peer)
	f.untilSent(t, 20_000, func() {})
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	if live := lookHere(t); !live.orphan() {
		t.Fatalf("after the kill: flags %#x, want an orphan", live.flags)
	}
	f.untilSent(t, 40_000, func() {})
	if err := c.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	f.untilSent(t, 60_000, func() {})
	after := lookHere(t)
	if !c.holds(after) || baseHandles(after) != baseHandles(before) {
		t.Errorf("held: %t; base chains %s, before %s", c.holds(after), baseHandles(after), baseHandles(before))
	}
	if _, accepted := f.result(t); accepted != 0 {
		t.Errorf("%d packets to a blocked port accepted", accepted)
	}
}

// TestOrphanIsAdoptedAndRepaired changes an orphan in every way before it is adopted.
func TestOrphanIsAdoptedAndRepaired(t *testing.T) {
	rules := compile(t, hostPolicy())
	for _, change := range []string{
		"insert rule inet sallyport input accept", "chain inet sallyport input { policy accept; }",
		"delete table inet sallyport", "add chain inet sallyport mine { type filter hook input priority -400; }",
		"table inet sallyport { flags dormant; }",
	} {
		t.Run(change, func(t *testing.T) {
			newNamespace(t)
			want := fresh(t, rules)
			first, err := Open()
			if err != nil {
				t.Fatal(err)
			}
			first.SetOwnership(OwnershipAuto)
			if err := errors.Join(first.Apply(t.Context(), rules), first.Close()); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(change, "dormant") { // this nft knows no flag persist, and would drop it
				runNft(t, change+"\n", "-f", "-")
			} else {
				setFlags(t, nftTablePersist|unix.NFT_TABLE_F_DORMANT)
			}
			c := openOwner(t)
			if err := c.Apply(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
			if live := lookHere(t); !c.holds(live) || live.flags&unix.NFT_TABLE_F_DORMANT != 0 {
				t.Errorf("flags %#x, want it held and awake", live.flags)
			}
			if got := dumpHere(t); !got.Equal(want) {
				t.Errorf("after the adoption:\n%s", differingLines(got, want))
			}
		})
	}
}

// TestTakeoverWithoutAGap takes tables of nobody into possession under a flood, with the counters kept up, and gives
// them up again.
func TestTakeoverWithoutAGap(t *testing.T) {
	newNamespace(t)
	peer := newNeighbour(t)
	rules := compile(t, adminsOnly(adminV4+"/32"))
	watch, owner := open4Test(t), openOwner(t)
	if err := watch.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	f := newFlood(t, peer)
	rounds := f.untilSent(t, 200_000, func() {
		before := readCounter(t, "c_drop_in")
		if err := owner.Apply(t.Context(), rules); err != nil {
			t.Fatal(err)
		}
		if live := lookHere(t); !owner.holds(live) {
			t.Fatalf("flags %#x: not held", live.flags)
		}
		if after := readCounter(t, "c_drop_in"); after < before {
			t.Errorf("the counter went from %d back to %d", before, after)
		}
		disowned(t, owner, rules)
	})
	_, accepted := f.result(t)
	t.Logf("%d takeovers", rounds)
	if accepted != 0 {
		t.Errorf("%d packets to a blocked port accepted in %d takeovers", accepted, rounds)
	}
	if tables := runNft(t, "", "list", "tables"); strings.TrimSpace(tables) != "table inet sallyport" {
		t.Errorf("left over: %s", tables)
	}
}

// disowned makes a table of nobody again of the one that is owned, by the way that leaks nothing: it is given up, a copy
// of it by nft judges besides, and it is deleted and made anew by nft.
func disowned(t *testing.T, owner *Conn, rules firewall.Ruleset) {
	t.Helper()
	owner.SetOwnership(OwnershipWatch)
	if err := owner.Apply(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if live := lookHere(t); !live.orphan() {
		t.Fatalf("given up: flags %#x, want an orphan", live.flags)
	}
	owner.SetOwnership(OwnershipOwner)
	text := rules.String()
	second := strings.Replace(text, "table inet sallyport {", "table inet second {", 1)
	runNft(t, second, "-f", "-")
	runNft(t, "delete table inet sallyport\n"+text, "-f", "-")
	runNft(t, "delete table inet second\n", "-f", "-")
}

func readCounter(t *testing.T, name string) uint64 {
	t.Helper()
	return Dump{table: lookHere(t)}.Counters()[name].Packets
}

// setFlags changes a table's flags as a program that knows them all would.
func setFlags(t *testing.T, flags uint32) {
	t.Helper()
	c := open4Test(t)
	c.nft.AddTable(&nftables.Table{
		Family: nftables.TableFamilyINet, Name: firewall.Table, Flags: nftables.TableFlags(flags),
	})
	if err := c.nft.Flush(); err != nil {
		t.Fatal(err)
	}
}

// TestFlushesUnderFlood has nft flush the ruleset as fast as it can under a flood: of a table that is owned, not one of
// 200,000 packets gets in. The negative control is the same with a table of nobody that is put back at once.
func TestFlushesUnderFlood(t *testing.T) {
	rules := compile(t, adminsOnly(adminV4+"/32"))
	for _, test := range []struct {
		name    string
		open    func(testing.TB) *Conn
		packets int64
		leaks   bool
	}{{"owned", openOwner, 200_000, false}, {"nobody's", func(t testing.TB) *Conn { return open4Test(t) }, 20_000, true}} {
		t.Run(test.name, func(t *testing.T) {
			newNamespace(t)
			peer := newNeighbour(t)
			c := test.open(t)
			if err := c.Apply(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
			f := newFlood(t, peer)
			rounds := f.untilSent(t, test.packets, func() {
				runNft(t, "", "flush", "ruleset")
				if test.leaks {
					if err := c.Apply(t.Context(), rules); err != nil {
						t.Fatal(err)
					}
				}
			})
			sent, accepted := f.result(t)
			t.Logf("%d flushes", rounds)
			if sent < test.packets || (accepted != 0) != test.leaks {
				t.Errorf("%d of %d packets to a blocked port accepted", accepted, sent)
			}
		})
	}
}

// TestSweepsABridge holds that a bridge which a killed takeover has left is gone after the next write, whatever it holds.
func TestSweepsABridge(t *testing.T) {
	for _, ownership := range []Ownership{OwnershipWatch, OwnershipAuto} {
		newNamespace(t)
		killed, err := Open()
		if err != nil {
			t.Fatal(err)
		}
		code, err := encode.Ruleset(compile(t, wide(3)))
		if err != nil {
			t.Fatal(err)
		}
		left := order{table: bridgeTable, code: code, own: ownership == OwnershipAuto}
		if err := errors.Join(killed.write(t.Context(), left, rawTable{}), killed.Close()); err != nil {
			t.Fatal(err)
		}
		c := open4Test(t)
		c.SetOwnership(ownership)
		if err := c.Apply(t.Context(), compile(t, hostPolicy())); err != nil {
			t.Fatal(err)
		}
		if tables := runNft(t, "", "list", "tables"); strings.TrimSpace(tables) != "table inet sallyport" {
			t.Errorf("left over: %s", tables)
		}
	}
}

// TestRemoveWhoeverMadeIt holds that the table goes whoever made it, and that removing nothing is no error.
func TestRemoveWhoeverMadeIt(t *testing.T) {
	newNamespace(t)
	rules := compile(t, hostPolicy())
	for name, open := range map[string]func(testing.TB) *Conn{"ours": openOwner, "nobody's": open4Test} {
		c := open(t)
		if err := errors.Join(c.Apply(t.Context(), rules), c.Remove(t.Context()), c.Remove(t.Context())); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Dump(t.Context()); !errors.Is(err, ErrNoTable) {
			t.Errorf("%s: removed, and then %v", name, err)
		}
	}
	orphan, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	orphan.SetOwnership(OwnershipAuto)
	if err := errors.Join(orphan.Apply(t.Context(), rules), orphan.Close()); err != nil {
		t.Fatal(err)
	}
	if err := openOwner(t).Remove(t.Context()); err != nil {
		t.Errorf("an orphan: %v", err)
	}
}

// TestOwnershipWhereTheKernelHasNone holds what is made of the flags being refused.
func TestOwnershipWhereTheKernelHasNone(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	c.ownable = new(bool)
	c.SetOwnership(OwnershipOwner)
	if err := c.Apply(t.Context(), compile(t, hostPolicy())); !errors.Is(err, ErrUnsupported) ||
		!strings.Contains(err.Error(), "owner and persist") {
		t.Errorf("owner: %v, want ErrUnsupported naming the flags", err)
	}
	c.SetOwnership(OwnershipAuto)
	if err := c.Apply(t.Context(), compile(t, hostPolicy())); err != nil {
		t.Errorf("auto: %v", err)
	}
	if live := lookHere(t); live.flags != 0 {
		t.Errorf("flags %#x, want none", live.flags)
	}
}
