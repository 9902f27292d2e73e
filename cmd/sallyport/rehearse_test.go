package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/firewall/proof"
)

// miscompiled is a candidate whose ruleset forgets every exception, as no compiler of ours makes one.
func miscompiled(t *testing.T) candidate {
	t.Helper()
	policy := firewall.Policy{Management: []firewall.Exception{{
		Name: "ssh", Ports: []firewall.Ports{{Protocol: firewall.TCP, First: 22, Last: 22}},
		From: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24")},
	}}}
	ruleset, err := firewall.Compile(policy)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range ruleset.Chains {
		if c.Name == "allow_in" {
			ruleset.Chains[i].Rules = nil
		}
	}
	return candidate{policy: policy, ruleset: ruleset}
}

// TestRehearseRefusesMiscompiled holds that a wrong ruleset is refused by what every write asks first.
func TestRehearseRefusesMiscompiled(t *testing.T) {
	told, err := miscompiled(t).rehearse(t.Context())
	if strings.HasPrefix(told, "not rehearsed") {
		unpacked(t, told)
	}
	refused, ok := errors.AsType[*proof.RefusedError](err)
	if !ok || refused.Cause() != "firewall.lockout" {
		t.Errorf("%q, %v", told, err)
	}
	// By force it may shut out who is connected, never go against its own policy.
	if err := miscompiled(t).mayComeIn(t.Context(), true); !errors.As(err, &refused) {
		t.Errorf("may come in: %v", err)
	}
}

// TestGuardBeginsRehearsed holds that a guard which starts rehearses what the configuration asks for, unless that was in
// force before.
func TestGuardBeginsRehearsed(t *testing.T) {
	p, wrong := guardProcess{log: slog.New(slog.DiscardHandler)}, miscompiled(t)
	var refused *proof.RefusedError
	if err := p.rehearsed(t.Context(), wrong, guard.Record{}); !errors.As(err, &refused) {
		t.Errorf("what never was in force: %v", err)
	}
	known := guard.Record{Committed: &guard.Recorded{Hash: wrong.ruleset.PolicyHash()}}
	if err := p.rehearsed(t.Context(), wrong, known); err != nil {
		t.Errorf("what was in force: %v", err)
	}
}

// TestPlanRefused holds that a plan says what is wrong with its ruleset, in the text and in JSON, and ends with 2.
func TestPlanRefused(t *testing.T) {
	next := miscompiled(t)
	var r rehearsal
	if r.done, r.err = proof.Rehearse(t.Context(), next.policy, next.ruleset); errors.Is(r.err, proof.ErrNoPackets) {
		unpacked(t, r.err.Error())
	}
	p := plan{ruleset: next.ruleset, rehearsal: &r}
	var text, raw bytes.Buffer
	for output, w := range map[string]*bytes.Buffer{"text": &text, "json": &raw} {
		var exit verdictError
		if err := p.write(w, output); !errors.As(err, &exit) || exit != codeFailing {
			t.Errorf("%s ends with %v", output, err)
		}
	}
	const want = "management exception ssh: 10.20.0.0 -> 22/tcp by the interface sp-outside was dropped (rehearsed)"
	if !strings.Contains(text.String(), "#   "+want) {
		t.Error(text.String())
	}
	var got planJSON
	if err := json.Unmarshal(raw.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Rehearsal.Cause != "firewall.lockout" || !slices.Contains(got.Rehearsal.Wrong, want) {
		t.Errorf("%+v", got.Rehearsal)
	}
}

// unpacked ends a test where no packets can be sent: as a failure where everything is meant to be there.
func unpacked(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("SALLYPORT_TEST_FULL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}
