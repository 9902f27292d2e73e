package kernel

import (
	"errors"
	"testing"
	"time"

	"sallyport/firewall"
)

// TestOneTextOneDump holds that the text of a ruleset, loaded by nft, and the transaction of Apply are the same to the
// kernel, for policies that nobody thought of.
func TestOneTextOneDump(t *testing.T) {
	for seed := range uint64(40) {
		t.Run("", func(t *testing.T) {
			rules := compile(t, randomPolicy(seed))
			newNamespace(t)
			c := open4Test(t)
			if err := c.Apply(t.Context(), rules); err != nil {
				t.Fatal(err)
			}
			applied := dumpHere(t)
			runNft(t, "delete table inet sallyport\n", "-f", "-")
			runNft(t, rules.String(), "-f", "-")
			if loaded := dumpHere(t); !applied.Equal(loaded) {
				t.Fatalf("seed %d: applied, and loaded by nft:\n%s", seed, differingLines(applied, loaded))
			}
			if drift := firewall.Diff(rules, applied.Ruleset()); !drift.Empty() {
				t.Errorf("read back otherwise than written:\n%s", drift)
			}
		})
	}
}

// TestOneTextOneDumpOnTrial holds the same for a ruleset with another on trial beside it, whatever each of the two has.
func TestOneTextOneDumpOnTrial(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	for seed := range uint64(12) {
		rules, err := firewall.Beside(compile(t, randomPolicy(seed)), compile(t, randomPolicy(seed+100)), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		want := fresh(t, rules)
		if drift := firewall.Diff(rules, want.Ruleset()); !drift.Empty() {
			t.Errorf("seed %d: read back otherwise than written:\n%s", seed, drift)
		}
		runNft(t, rules.String(), "-f", "-")
		if loaded := dumpHere(t); !want.Equal(loaded) {
			t.Fatalf("seed %d: applied, and loaded by nft:\n%s", seed, differingLines(want, loaded))
		}
		if err := c.Apply(t.Context(), compile(t, randomPolicy(seed+100))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestScriptReplaces holds that the script of a ruleset, loaded by nft over a drifted table, leaves what the ruleset says.
func TestScriptReplaces(t *testing.T) {
	newNamespace(t)
	rules := compile(t, hostPolicy())
	want := fresh(t, rules)
	script := rules.Script()
	for _, drift := range []string{
		"", // onto nothing
		"flush table inet sallyport", "insert rule inet sallyport inbound accept",
		"add element inet sallyport in_ssh-admins_4 { 192.0.2.0/24 }",
	} {
		runNft(t, drift+"\n", "-f", "-")
		runNft(t, script, "-f", "-")
		if got := dumpHere(t); !got.Equal(want) {
			t.Fatalf("after %q: loaded, and applied:\n%s", drift, differingLines(got, want))
		}
	}
}

// TestApplyRehearsed holds that the host and the rehearsal come out the same, and that the dump is the golden one.
func TestApplyRehearsed(t *testing.T) {
	newNamespace(t)
	rules := compile(t, hostPolicy())
	golden, err := open4Test(t).ApplyRehearsed(t.Context(), rules)
	if err != nil {
		t.Fatal(err)
	}
	if got := dumpHere(t); !got.Equal(golden) {
		t.Errorf("live, and golden:\n%s", differingLines(got, golden))
	}
}

// TestRepairHoldsItsGolden holds that a table that is not the golden one is not taken for repaired.
func TestRepairHoldsItsGolden(t *testing.T) {
	newNamespace(t)
	c := open4Test(t)
	rules := compile(t, hostPolicy())
	golden := fresh(t, rules)
	runNft(t, "table inet sallyport { chain evil { }\n }\n", "-f", "-")
	got, err := c.Repair(t.Context(), rules, Dump{}, golden)
	if err != nil || !got.Equal(golden) {
		t.Errorf("%v\n%s", err, differingLines(got, golden))
	}
	var mismatch *MismatchError
	got, err = c.Repair(t.Context(), compile(t, wide(3)), Dump{}, golden)
	if !errors.As(err, &mismatch) || got.Equal(golden) {
		t.Errorf("repaired to another ruleset: %v", err)
	}
}
