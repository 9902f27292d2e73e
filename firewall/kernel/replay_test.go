package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pmezard/go-difflib/difflib"
)

// rulesetsOfOthers are what one meets on hosts, as nft takes it.
func rulesetsOfOthers(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/others/*.nft")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	texts := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[strings.TrimSuffix(filepath.Base(file), ".nft")] = string(text)
	}
	return texts
}

// copyHere reads all tables of this namespace.
func copyHere(t testing.TB) Tables {
	t.Helper()
	tables, err := ReadTables(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// twinOf replays the tables in a namespace of their own and reads them there.
func twinOf(t testing.TB, tables Tables) (twin Tables, err error) {
	t.Helper()
	err = InNamespace(t.Context(), func(ctx context.Context) error {
		if err := tables.Replay(ctx); err != nil {
			return err
		}
		twin, err = ReadTables(ctx)
		return err
	})
	if errors.Is(err, ErrNoNamespace) {
		unprepared(t, "%v", err)
	}
	return twin, err
}

func sameTables(t testing.TB, want, got Tables) {
	t.Helper()
	differ, err := want.Differing(got)
	if err != nil {
		t.Fatal(err)
	}
	if len(differ) == 0 {
		return
	}
	var a, b strings.Builder
	if err := errors.Join(want.Dump(&a), got.Dump(&b)); err != nil {
		t.Fatal(err)
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(a.String()), B: difflib.SplitLines(b.String()), Context: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Errorf("%v differ:\n%s", differ, diff)
}

// TestReplay copies real rulesets, and compares what the kernel holds, and what nft shows, in both namespaces.
func TestReplay(t *testing.T) {
	for name, text := range rulesetsOfOthers(t) {
		t.Run(name, func(t *testing.T) {
			newNamespace(t)
			runNft(t, text, "-f", "-")
			here := copyHere(t)
			twin, err := twinOf(t, here)
			if err != nil {
				t.Fatal(err)
			}
			sameTables(t, here, twin)
		})
	}
}

// TestReplayAsNftShowsIt compares by another reader than ours: what nft lists, but for times that run.
func TestReplayAsNftShowsIt(t *testing.T) {
	newNamespace(t)
	for name, text := range rulesetsOfOthers(t) {
		if name != "families" { // whose loopback is down in the copy
			runNft(t, text, "-f", "-")
		}
	}
	here := copyHere(t)
	want := runNft(t, "", "list", "ruleset")
	var got string
	err := InNamespace(t.Context(), func(ctx context.Context) error {
		if err := here.Replay(ctx); err != nil {
			return err
		}
		out, err := exec.CommandContext(ctx, "nft", "list", "ruleset").CombinedOutput()
		got = string(out)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want, got := withoutTimes(want), withoutTimes(got); want != got {
		diff, _ := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
			A: difflib.SplitLines(want), B: difflib.SplitLines(got), Context: 1,
		})
		t.Error(diff)
	}
}

func withoutTimes(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		for i := 0; i+1 < len(words); i++ {
			if words[i] == "expires" {
				words[i+1] = "soon"
			}
		}
		fmt.Fprintln(&b, strings.Join(words, " "))
	}
	return b.String()
}

// TestReplayOfOurOwn copies our own table, trial set and all, with 20,000 sources.
func TestReplayOfOurOwn(t *testing.T) {
	r := compile(t, wide(20_000))
	newNamespace(t)
	if err := open4Test(t).Apply(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	here := copyHere(t)
	twin, err := twinOf(t, here)
	if err != nil {
		t.Fatal(err)
	}
	sameTables(t, here, twin)
}

// TestReplayKeepsTimes holds that an element with a timeout is in the copy for as long as it would have stayed.
func TestReplayKeepsTimes(t *testing.T) {
	newNamespace(t)
	runNft(t, `table ip t {
	set s {
		type ipv4_addr
		flags timeout
		elements = { 10.0.0.1 timeout 2h expires 30m }
	}
}`, "-f", "-")
	twin, err := twinOf(t, copyHere(t))
	if err != nil {
		t.Fatal(err)
	}
	elements, err := decodeElements(twin.list[0].Elements["s"])
	if err != nil || len(elements) != 1 {
		t.Fatalf("%d elements: %v", len(elements), err)
	}
	left := elements[0].attrs.NumberOr0(unix.NFTA_SET_ELEM_EXPIRATION)
	whole := elements[0].attrs.NumberOr0(unix.NFTA_SET_ELEM_TIMEOUT)
	if left > 30*60*1000 || left < 29*60*1000 || whole != 2*3600*1000 {
		t.Errorf("%d of %d ms are left", left, whole)
	}
}

// TestDifferingSeesEveryEdit is the negative control of every comparison above.
func TestDifferingSeesEveryEdit(t *testing.T) {
	for _, edit := range []string{
		"add table ip another", "delete table ip filter", "add rule ip nat DOCKER accept",
		"add chain ip nat c { type nat hook input priority 1; }", "add element inet f2b-table addr-set-sshd { 192.0.2.99 }",
		"delete element inet f2b-table addr-set-sshd { 192.0.2.7 }", "add chain ip filter FORWARD { policy accept; }",
		"add set ip nat s { type ipv4_addr; }", "add counter ip nat c", "add table ip nat { flags dormant; }",
	} {
		t.Run(edit, func(t *testing.T) {
			newNamespace(t)
			runNft(t, rulesetsOfOthers(t)["docker"], "-f", "-")
			runNft(t, rulesetsOfOthers(t)["fail2ban"], "-f", "-")
			before := copyHere(t)
			runNft(t, edit+"\n", "-f", "-")
			differ, err := before.Differing(copyHere(t))
			if err != nil || len(differ) != 1 {
				t.Errorf("%v, %v", differ, err)
			}
		})
	}
}

func TestReplayRefusesWhereThereAreTables(t *testing.T) {
	newNamespace(t)
	runNft(t, "add table ip a\n", "-f", "-")
	here := copyHere(t)
	if err := here.Replay(t.Context()); !errors.Is(err, ErrOccupied) {
		t.Errorf("where it was read: %v", err)
	}
	newNamespace(t)
	runNft(t, "add table ip b\n", "-f", "-")
	if err := here.Replay(t.Context()); !errors.Is(err, ErrOccupied) {
		t.Errorf("over other tables: %v", err)
	}
	if left := runNft(t, "", "list", "ruleset"); strings.Contains(left, "table ip a") {
		t.Errorf("written:\n%s", left)
	}
}

// TestReplayTellsWhatItCannot takes a chain away from a copy: its rule has no place then.
func TestReplayTellsWhatItCannot(t *testing.T) {
	newNamespace(t)
	runNft(t, "table ip fine { chain c { accept; }; }\ntable ip odd { chain c { accept; }; }\n", "-f", "-")
	here := copyHere(t)
	here.list[1].Chains = nil
	_, err := twinOf(t, here)
	const want = `kernel: table ip odd cannot be copied: a rule of "c" "immediate": no such file or directory`
	if !errors.Is(err, ErrNotCopied) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestDeleteTable(t *testing.T) {
	newNamespace(t)
	runNft(t, "table ip a { chain c { accept; }; }\ntable inet a {}\n", "-f", "-")
	if err := DeleteTable(t.Context(), TableID{Family: "ip", Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if ids := copyHere(t).IDs(); len(ids) != 1 || ids[0].String() != "table inet a" {
		t.Errorf("left: %v", ids)
	}
	for _, id := range []TableID{{Family: "ip", Name: "a"}, {Family: "x", Name: "a"}} {
		if err := DeleteTable(t.Context(), id); err == nil {
			t.Errorf("%s is deleted twice", id)
		}
	}
}

func TestTableIDIsPrintable(t *testing.T) {
	for name, want := range map[string]string{
		"f2b-table": "table ip f2b-table", "a b": `table ip "a b"`, "\x1b": `table ip "\x1b"`,
	} {
		if got := (TableID{Family: "ip", Name: name}).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// FuzzReplayMessages makes messages of arbitrary bytes: no panic, and no endless recursion.
func FuzzReplayMessages(f *testing.F) {
	base := readRecorded(f)
	for where, messages := range map[byte][][]byte{
		0: base.Chains, 1: base.Rules, 2: base.Sets, 3: base.Objects, 5: {base.Table}, 6: base.Elements["mgmt4"],
	} {
		for _, message := range messages {
			f.Add(where, message)
		}
	}
	f.Fuzz(func(t *testing.T, where byte, message []byte) {
		s := readRecorded(t)
		put(&s, where%10, message)
		messages, err := copied{unix.NFPROTO_INET, s}.messages()
		if err != nil {
			return
		}
		for _, m := range messages {
			_ = m.String()
		}
	})
}

func TestNamedPortsAndAddresses(t *testing.T) {
	newNamespace(t)
	texts := rulesetsOfOthers(t)
	runNft(t, texts["docker"]+texts["fail2ban"], "-f", "-")
	here := copyHere(t)
	for _, port := range []uint16{8080, 80, 22, 2222, 1, 21} {
		if !slices.Contains(here.Ports(), port) {
			t.Errorf("port %d is not named: %v", port, here.Ports())
		}
	}
	for _, a := range []string{"192.0.2.7", "198.51.100.9", "192.0.2.1", "2001:db8::"} {
		if !slices.Contains(here.Addresses(), netip.MustParseAddr(a)) {
			t.Errorf("%s is not named: %v", a, here.Addresses())
		}
	}
	if n := len(here.Addresses()); n > maxNamedAddresses {
		t.Errorf("%d addresses", n)
	}
}
