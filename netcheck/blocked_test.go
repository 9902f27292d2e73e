package netcheck

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sallyport/check"
)

// blockedIn is a rule of others.
func blockedIn() *Blocker {
	return &Blocker{Family: "ip", Table: "filter", Chain: "OUTPUT", Handle: 7, Rule: "tcp dport 443 drop"}
}

// TestBlockedIsTold holds that a failed connection is put on who ends it here, with the rule in the words and in the
// evidence, that a success asks nobody, and that a failure asks once.
func TestBlockedIsTold(t *testing.T) {
	t.Parallel()
	closed := netip.MustParseAddrPort(refusing(t))
	var asked, again atomic.Int32
	answer := func(b *Blocker, err error) Blocked {
		return func(ctx context.Context, flight Flight, once func(context.Context) error) (*Blocker, error) {
			asked.Add(1)
			if flight.To != closed || flight.UDP {
				t.Errorf("asked about %+v", flight)
			}
			if once(ctx) != nil {
				again.Add(1)
			}
			return b, err
		}
	}
	for _, c := range []struct {
		name    string
		blocked Blocked
		cause   check.Cause
		asked   int32 // in two runs
		says    string
	}{
		{"nobody to ask", nil, check.ConnectRefused, 0, "nothing listens"},
		{"nobody here", answer(nil, nil), check.ConnectRefused, 1, "nothing listens"},
		{"not now", answer(nil, errors.New("busy")), check.ConnectRefused, 2, "nothing listens"},
		{"a rule", answer(blockedIn(), nil), check.ConnectBlockedHere, 1,
			"does not let the connection out: table ip filter, chain OUTPUT, rule 7 (tcp dport 443 drop)"},
	} {
		asked.Store(0)
		again.Store(0)
		run := TLS(TLSTarget{Server: Server{Host: closed.Addr().String(), Port: closed.Port(), Blocked: c.blocked}})
		for range 2 {
			r := run(t.Context())
			if r.Status != check.Fail || r.Cause != c.cause || !strings.Contains(r.Detail, c.says) {
				t.Errorf("%s: %s %s, want %s: %s", c.name, r.Cause, r.Detail, c.cause, c.says)
			}
			evidence, _ := r.Evidence.(*TLSEvidence)
			if named := evidence != nil && len(evidence.BlockedBy) == 1 && evidence.BlockedBy[0].Blocker == *blockedIn() &&
				evidence.BlockedBy[0].Address == closed.String(); named != (c.cause == check.ConnectBlockedHere) {
				t.Errorf("%s: evidence %+v", c.name, evidence)
			}
		}
		if asked.Load() != c.asked || again.Load() != c.asked {
			t.Errorf("%s: asked %d times, tried again %d times, want %d", c.name, asked.Load(), again.Load(), c.asked)
		}
	}
}

// TestBlockedProxy puts a proxy that is not reached on who ends the connection to it here.
func TestBlockedProxy(t *testing.T) {
	t.Parallel()
	closed := netip.MustParseAddrPort(refusing(t))
	target := TLSTarget{Server: Server{Host: "cloud.example", Port: 443,
		Proxy: &Proxy{Host: closed.Addr().String(), Port: closed.Port()},
		Blocked: func(_ context.Context, flight Flight, _ func(context.Context) error) (*Blocker, error) {
			if flight.To != closed || flight.UDP {
				t.Errorf("asked about %+v", flight)
			}
			return blockedIn(), nil
		}}}
	r := TLS(target)(t.Context())
	if r.Cause != check.ConnectBlockedHere ||
		!strings.Contains(r.Detail, "the proxy "+closed.String()+" cannot be reached: this host does not let") {
		t.Errorf("%s: %s", r.Cause, r.Detail)
	}
}

// TestBlockedHasTime leaves time to ask in where an address is silent, and the run still ends within its own.
func TestBlockedHasTime(t *testing.T) {
	t.Parallel()
	silent := startTCP(t, untilClosed) // takes connections: the question is whether any time is kept
	target := Server{Host: "127.0.0.1", Port: silent, Blocked: func(
		context.Context, Flight, func(context.Context) error) (*Blocker, error) {
		t.Error("asked about a connection that was made")
		return nil, nil
	}}
	r := TLS(TLSTarget{Server: target})(withTimeout(t, 300*time.Millisecond))
	if r.Cause != check.TLSTimeout {
		t.Errorf("%s: %s", r.Cause, r.Detail)
	}
	synctest.Test(t, func(t *testing.T) {
		a := attempt{address: local(1), blocks: newBlocks(target.Blocked)}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		first, done := a.leaving(ctx)
		defer done()
		if until, _ := first.Deadline(); time.Until(until) != 5*time.Second-blockedWait {
			t.Errorf("%v for the connection", time.Until(until))
		}
		a.blocks.known[Flight{To: a.address}] = block{until: time.Now().Add(time.Hour)}
		first, done = a.leaving(ctx)
		defer done()
		if until, _ := first.Deadline(); time.Until(until) != 5*time.Second {
			t.Errorf("%v for the connection, though nobody is asked", time.Until(until))
		}
	})
}

// TestBlocksAreRemembered asks anew when the failure changes, after a success, and after a while.
func TestBlocksAreRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var answer *Blocker
		b := newBlocks(func(context.Context, Flight, func(context.Context) error) (*Blocker, error) {
			asked++
			return answer, nil
		})
		asks := func(why string, cause check.Cause, want int) {
			t.Helper()
			before := asked
			if got := b.find(t.Context(), Flight{To: local(443)}, cause, nil); got != answer || asked-before != want {
				t.Errorf("%s: asked %d times, want %d; %+v", why, asked-before, want, got)
			}
		}
		asks("first", check.ConnectTimeout, 1)
		asks("again", check.ConnectTimeout, 0)
		asks("another failure", check.ConnectRefused, 1)
		b.forget(Flight{To: local(443)})
		asks("after a success", check.ConnectRefused, 1)
		time.Sleep(clearedFor - time.Second)
		asks("soon", check.ConnectRefused, 0)
		time.Sleep(time.Second)
		answer = blockedIn()
		asks("after a while", check.ConnectRefused, 1)
		time.Sleep(blockedFor)
		asks("of one that is blocked, sooner", check.ConnectRefused, 1)
		for port := range 3 * maxBlocks {
			b.find(t.Context(), Flight{To: local(port + 1000)}, check.ConnectRefused, nil)
		}
		if len(b.known) > maxBlocks {
			t.Errorf("%d are remembered", len(b.known))
		}
	})
}

// TestBlockerWords is each thing that a host may do to a connection.
func TestBlockerWords(t *testing.T) {
	t.Parallel()
	own := Blocker{Family: "inet", Table: "sallyport", Chain: "refused", Handle: 4, Rule: "reject", Own: true}
	ownAnswer := own
	ownAnswer.Answer = true
	for want, b := range map[string]Blocker{
		"connection out: table ip filter, chain OUTPUT, rule 7 (tcp dport 443 drop)": *blockedIn(),
		"connection out: the policy of the chain c in the table inet t drops it": {
			Family: "inet", Table: "t", Chain: "c"},
		`rule 7, which says "why" of itself, hands it to a program`: {Family: "ip", Table: "t", Chain: "c", Handle: 7,
			Comment: "why", Queued: true},
		"connection out: Sallyport's own egress policy refuses it (firewall.egress)": own,
		"answer to the connection in: table inet sallyport, chain refused":           ownAnswer,
		"connection out: no table of nftables ends it, but legacy iptables":          {},
		"answer to the connection in: no table of nftables ends it, but lega":        {Answer: true},
	} {
		if got := b.Words("the connection"); !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestBlockers holds how each way to be blocked begins a sentence, and that every kind of evidence tells it.
func TestBlockers(t *testing.T) {
	t.Parallel()
	rule := Blocker{Family: "ip", Table: "filter", Chain: "OUTPUT", Handle: 7, Rule: "tcp dport 636 drop"}
	policy, own, answer := rule, rule, rule
	policy.Handle, policy.Rule = 0, ""
	own.Own, answer.Answer = true, true
	for _, c := range []struct {
		blocker Blocker
		want    string
	}{
		{rule, "this host's own table ip filter, chain OUTPUT, rule 7 (tcp dport 636 drop), keeps this host from reaching"},
		{policy, "this host's own table ip filter, chain OUTPUT, the policy, keeps this host from reaching"},
		{answer, "this host's own table ip filter, chain OUTPUT, rule 7 (tcp dport 636 drop), lets no answer in from"},
		{own, "Sallyport's own egress policy (firewall.egress) keeps this host from reaching"},
		{Blocker{}, "legacy iptables, a program on a queue or connection tracking keeps this host from reaching"},
	} {
		tls := &TLSEvidence{BlockedBy: []Blocking{{Blocker: c.blocker}}}
		for _, evidence := range []interface{ Blockers() []string }{
			tls, LDAPSEvidence{TLS: tls}, DNSEvidence{Servers: []DNSServerEvidence{{}, {BlockedBy: &c.blocker}}},
		} {
			if got := evidence.Blockers(); !slices.Equal(got, []string{c.want}) {
				t.Errorf("%T says %q, want %q", evidence, got, c.want)
			}
		}
	}
	if (LDAPSEvidence{}).Blockers() != nil {
		t.Error("no evidence tells of a blocker")
	}
}
