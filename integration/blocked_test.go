package integration_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sallyport/integration/lab"
)

// rulesOf puts a table into a node.
func (w world) rulesOf(n *lab.Node, table string) {
	w.t.Helper()
	need(w.t, "nft")
	if got, err := n.Run(within(w.t, 5*time.Second), "nft", table); err != nil || got.Code != 0 {
		w.t.Fatalf("nft %s: %v: %s", table, err, got.Stderr)
	}
}

// blocked wants a report to name a rule of this host's for the cloud.
func blocked(words string) func(lab.Report) error {
	return func(r lab.Report) error {
		got := r.Of(lab.CheckCloud)
		if got.Cause != "connect.blocked-here" || !strings.Contains(got.Detail, words) ||
			!strings.Contains(string(got.Evidence), `"blocked_by"`) {
			return fmt.Errorf("the check says %s: %s (%s)", got.Cause, got.Detail, got.Evidence)
		}
		if strings.HasPrefix(words, "table") && !strings.Contains(r.Verdict.Sentence, "this host's own "+words) {
			return fmt.Errorf("the verdict is %q", r.Verdict.Sentence)
		}
		return nil
	}
}

// checks runs one check by the command, again where a busy machine left no time to find out who blocks it.
func (w world) checks(name string, want func(lab.Report) error) {
	w.t.Helper()
	ctx := within(w.t, 20*time.Second)
	err := lab.Until(ctx, "sallyport check", func() error {
		report, err := w.Ask(ctx, "check", name)
		if err != nil {
			return err
		}
		return want(report)
	})
	if err != nil {
		w.t.Error(err)
	}
}

// TestBlockedHere has a table of somebody else's stop what the daemon and the command check: both name the rule. What the
// server's own firewall does stays the server's.
func TestBlockedHere(t *testing.T) {
	w := outward(t, "enforce")
	w.daemon()
	const others = "table inet others { chain out { type filter hook output priority 10; tcp dport 443 %s; }; }"
	for _, rule := range []string{"drop", "reject with icmpx admin-prohibited", "reject with tcp reset"} {
		w.rulesOf(w.Host, "table inet others { }; delete table inet others; "+fmt.Sprintf(others, rule))
		w.checks(lab.CheckCloud, blocked("table inet others, chain out, rule 2 (tcp dport 443 "+rule+")"))
	}
	w.await(blocked("table inet others, chain out, rule 2 (tcp dport 443 reject with tcp reset)"))
	w.nft("delete", "table", "inet", "others")
	w.rulesOf(w.Cloud, "table inet theirs { chain in { type filter hook input priority 0; }; }; "+
		"add rule inet theirs in tcp dport 443 reject with tcp reset")
	w.checks(lab.CheckCloud, lab.Has(lab.CheckCloud, "fail", "connect.refused"))
	w.rulesOf(w.Cloud, "flush table inet theirs; add rule inet theirs in tcp dport 443 drop")
	w.checks(lab.CheckCloud, lab.Has(lab.CheckCloud, "fail", "connect.timeout"))
	w.rulesOf(w.Cloud, "delete table inet theirs")
	w.checks(lab.CheckCloud, lab.Has(lab.CheckCloud, "ok", ""))
	if said := w.Daemon().Output(); strings.Contains(said, "drift") || strings.Contains(said, "sallyport-trace") {
		t.Errorf("the guard took a trace for somebody's change: %s", said)
	}
	if list := w.nft("list", "tables"); strings.Contains(list, "trace") {
		t.Errorf("left: %s", list)
	}
}

// TestBlockedQuestions stops questions to the resolver here, and at the resolver.
func TestBlockedQuestions(t *testing.T) {
	w := outward(t, "enforce")
	w.daemon()
	w.rulesOf(w.Host, "table inet others { chain out { type filter hook output priority 10; udp dport 53 drop; }; }")
	w.checks(lab.CheckResolver, func(r lab.Report) error {
		got := r.Of(lab.CheckResolver)
		if got.Cause != "dns.unreachable" || !strings.Contains(string(got.Evidence), `"blocked_by"`) || !strings.Contains(
			got.Detail, "does not let the question out: table inet others, chain out, rule 2 (udp dport 53 drop)") {
			return fmt.Errorf("%s: %s (%s)", got.Cause, got.Detail, got.Evidence)
		}
		return nil
	})
	w.nft("delete", "table", "inet", "others")
	w.rulesOf(w.Resolver, "table inet theirs { chain in { type filter hook input priority 0; udp dport 53 reject; }; }")
	w.checks(lab.CheckResolver, func(r lab.Report) error {
		got := r.Of(lab.CheckResolver)
		if got.Cause != "dns.unreachable" || strings.Contains(got.Detail, "this host") {
			return fmt.Errorf("%s: %s", got.Cause, got.Detail)
		}
		return nil
	})
}

// TestBlockedByEgress checks what the policy in force does not let out: it is named, and what lets it out.
func TestBlockedByEgress(t *testing.T) {
	w := outward(t, "enforce")
	w.greets(w.Admin, 81)
	w.daemon()
	text, err := os.ReadFile(w.File)
	if err != nil {
		t.Fatal(err)
	}
	further := fmt.Sprintf("  tls:\n    - {name: further, address: \"%s:81\"}\n", w.Admin.IPv4)
	if err := w.Write(strings.Replace(string(text), "  tls:\n", further, 1)); err != nil {
		t.Fatal(err)
	}
	w.checks("further", func(r lab.Report) error {
		got := r.Of("further")
		if got.Cause != "connect.blocked-here" || !strings.Contains(string(got.Evidence), `"own": true`) ||
			!strings.Contains(got.Detail, "Sallyport's own egress policy refuses it") ||
			!strings.Contains(got.Detail, "firewall.egress.also") {
			return fmt.Errorf("%s: %s (%s)", got.Cause, got.Detail, got.Evidence)
		}
		return nil
	})
}

// TestBlockedWithoutAGuard has the command look by itself, and by nobody where it may not.
func TestBlockedWithoutAGuard(t *testing.T) {
	w := newWorld(t, lab.Settings{})
	w.services()
	w.rulesOf(w.Host, "table ip filter { chain OUTPUT { type filter hook output priority 0; tcp dport 443 drop; }; }\n"+
		"table ip6 filter { chain OUTPUT { type filter hook output priority 0; tcp dport 443 drop; }; }")
	w.checks(lab.CheckCloud, blocked("filter, chain OUTPUT, rule 2 (tcp dport 443 drop)"))
	w.nft("flush", "ruleset")
	w.says(lab.CheckCloud, "ok", "")
}
