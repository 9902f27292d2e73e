package guard_test

import (
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall/guard"
	"sallyport/firewall/kernel"
)

// ownedOrSkip puts the ruleset in force as its owner, where the kernel has that.
func ownedOrSkip(t *testing.T, g *guard.Guard) {
	t.Helper()
	if _, err := g.SetOwnership(t.Context(), kernel.OwnershipOwner); err != nil {
		t.Fatal(err)
	}
	err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), true)
	if errors.Is(err, kernel.ErrUnsupported) {
		unprepared(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestOwnedTableIsNotDrifted makes the changes that a guard repairs, on a table that it owns: the kernel refuses each, or
// passes the table by, and there is nothing to repair.
func TestOwnedTableIsNotDrifted(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	ownedOrSkip(t, g)
	for name, change := range changes(t, ruleset(t, "10.20.0.0/24")) {
		out, err := exec.CommandContext(t.Context(), "nft", change.nft...).CombinedOutput()
		refused := err != nil && strings.Contains(string(out), "Operation not permitted")
		if passedBy := name == "flush ruleset"; refused == passedBy {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if r := g.Look(t.Context()); r.Result.Status != check.OK || r.Repairs != 0 {
			t.Errorf("%s: %v %s after %d repairs", name, r.Result.Status, r.Result.Detail, r.Repairs)
		}
	}
}

// TestOwnershipFollowsTheConfiguration changes it while the guard runs: given up, the table may be changed and is
// repaired; owned again, not.
func TestOwnershipFollowsTheConfiguration(t *testing.T) {
	live := inNamespace(t)
	g := guard.New(live, slog.New(slog.DiscardHandler))
	ownedOrSkip(t, g)
	if _, err := g.SetOwnership(t.Context(), kernel.OwnershipWatch); err != nil {
		t.Fatal(err)
	}
	if err := g.Put(t.Context(), ruleset(t, "10.20.0.0/24"), true); err != nil {
		t.Fatal(err)
	}
	nft(t, "flush", "ruleset")
	if r := g.Look(t.Context()).Result; r.Cause != check.FirewallRepaired {
		t.Errorf("flushed in watch mode: %v %s: %s", r.Status, r.Cause, r.Detail)
	}
	ownedOrSkip(t, g)
	nft(t, "flush", "ruleset")
	if r := g.Look(t.Context()).Result; r.Status != check.OK {
		t.Errorf("flushed in owner mode: %v %s: %s", r.Status, r.Cause, r.Detail)
	}
}
