package netcheck

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"sallyport/check"
	"sallyport/netcheck/dial"
)

// Blocked finds out where on this host packets to an address end, and has some more sent by again. It is nil where they do
// not end here. It must be done when ctx ends, and safe for concurrent use; its error says that it cannot be told now.
type Blocked func(ctx context.Context, flight Flight, again func(ctx context.Context) error) (*Blocker, error)

// Flight is packets to an address.
type Flight struct {
	To  netip.AddrPort
	UDP bool // else the first ones of TCP
}

// Blocker is what on this host ends a connection. Its texts are printable ASCII, and short.
type Blocker struct {
	Family  string `json:"family,omitempty"` // of the table, as nft names it
	Table   string `json:"table,omitempty"`  // empty where no table of nftables did it
	Chain   string `json:"chain,omitempty"`
	Handle  uint64 `json:"handle,omitempty"` // of the rule, as nft -a list shows it; 0: the policy of the chain
	Rule    string `json:"rule,omitempty"`   // in nft words
	Comment string `json:"comment,omitempty"`
	Queued  bool   `json:"queued,omitempty"` // the rule hands it to a program, which does not give it back
	Answer  bool   `json:"answer,omitempty"` // it is the answer that is not let in
	Own     bool   `json:"own,omitempty"`    // the table is Sallyport's
}

// Words are what the blocker does to something, such as the connection, in a sentence.
func (b *Blocker) Words(something string) string {
	what := "this host does not let " + something + " out"
	if b.Answer {
		what = "this host does not let the answer to " + something + " in"
	}
	switch {
	case b.Table == "":
		return what + ": no table of nftables ends it, but legacy iptables (iptables-legacy -S), a program on a queue or " +
			"connection tracking does"
	case b.Own && !b.Answer:
		return what + ": Sallyport's own egress policy refuses it (firewall.egress); what is meant to be reached belongs " +
			"under firewall.egress.also"
	case b.Handle == 0:
		return fmt.Sprintf("%s: the policy of the chain %s in the table %s %s drops it", what, b.Chain, b.Family, b.Table)
	}
	text := fmt.Sprintf("%s: table %s %s, chain %s, rule %d", what, b.Family, b.Table, b.Chain, b.Handle)
	if b.Rule != "" {
		text += " (" + b.Rule + ")"
	}
	if b.Comment != "" {
		text += fmt.Sprintf(", which says %q of itself", b.Comment)
	}
	if b.Queued {
		text += ", hands it to a program that does not give it back"
	}
	return text
}

const (
	// blockedWait is kept of an attempt's time for one more, which is followed.
	blockedWait = 750 * time.Millisecond
	// againWait is how long that one waits for an answer at most: what ends it here, ends it at once, and only an answer
	// that is not let in takes its time.
	againWait = 150 * time.Millisecond
)

// leaving is the part of the time of an attempt that its connection may take, so that there is some left to find out
// who blocks it.
func (a *attempt) leaving(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.blocks == nil || a.blocks.knows(Flight{To: a.address}) {
		return context.WithCancel(ctx)
	}
	until, _ := ctx.Deadline() // tryAll has set one
	return context.WithDeadline(ctx, until.Add(-min(blockedWait, share(ctx, 1, 3))))
}

// blockedBy puts a connection that failed on this host where it is known to end here: a refusal, silence and an ICMP
// message of this host's look like those of others.
func (a *attempt) blockedBy(ctx context.Context, err error) error {
	if a.blocks == nil {
		return err
	}
	at, ok := errors.AsType[*phaseError](err)
	if !ok || at.phase != phaseConnect || !mayBeOwn(err) || ctx.Err() != nil {
		return err
	}
	cause, _ := Classify(err)
	a.blocker = a.blocks.find(ctx, Flight{To: a.address}, cause, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, min(againWait, share(ctx, 1, 2)))
		defer cancel()
		conn, err := dial.TCP(ctx, a.address, a.from)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if a.blocker == nil {
		return err
	}
	words := a.blocker.Words("the connection")
	if a.via != nil {
		words = a.via.name() + " cannot be reached: " + words
	}
	return &opinion{cause: check.ConnectBlockedHere, words: words, err: err}
}

// mayBeOwn says that a connection's failure may be the doing of a rule on this host. What ICMP says from elsewhere is not,
// nor is a want of an address to send from, or of a route, nor what connect(2) itself refuses: a rule that drops TCP is
// silent to it (tcp_connect).
func mayBeOwn(err error) bool {
	answer, told := errors.AsType[*dial.ICMPError](err)
	if told && !answer.Own() || !told && errors.Is(err, syscall.ENETUNREACH) {
		return false
	}
	cause, _ := Classify(err)
	if cause == check.ConnectBlockedHere {
		return told
	}
	return slices.Contains([]check.Cause{check.ConnectRefused, check.ConnectTimeout, check.ConnectUnreachable,
		check.ProxyRefused}, cause)
}

// Blocking is what ends the connections to an address of a target.
type Blocking struct {
	Address string `json:"address"` // as the endpoint has it
	Blocker
}

// blockings are those of the attempts that have one.
func blockings(attempts []attempt) []Blocking {
	var all []Blocking
	for i := range attempts {
		if b := attempts[i].blocker; b != nil {
			all = append(all, Blocking{Address: attempts[i].label(), Blocker: *b})
		}
	}
	return all
}
