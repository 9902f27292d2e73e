package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/sockets"
)

const (
	// namedPeers is how many peers a sentence names.
	namedPeers = 10
	// warnPatience is how long the ruleset may wait at the start for a mere warning.
	warnPatience = time.Second
)

// What to do instead of adding a peer to the policy.
const (
	byForce = "give --force"
	byApply = "put it in force with `sallyport apply --now --force`, then reload"
)

// keepsOwnerIn refuses a policy that shuts out the address from which this very session is logged in, by SSH_CONNECTION.
func (c candidate) keepsOwnerIn(connection string, force bool) error {
	s, ok := parseSession(connection)
	if !ok || force || c.policy.Admits(s.client, firewall.TCP, s.port) {
		return nil
	}
	return fmt.Errorf("%s: this policy shuts out %s, from which you are logged in on port %d: add it to an exception of "+
		"firewall.management, or give --force", c.conf.File, s.client, s.port)
}

// keepsPeersIn refuses a policy that shuts out a peer now connected to a management port; otherwise says how to have
// it all the same. That nobody can be told to be connected is a refusal too.
func (c candidate) keepsPeersIn(ctx context.Context, otherwise string) error {
	locked, err := c.lockedOut(ctx)
	if err != nil {
		return fmt.Errorf("%s: whether this policy shuts out somebody who is connected now cannot be told: %w; "+
			"mend that, or %s", c.conf.File, err, otherwise)
	}
	if len(locked) == 0 {
		return nil
	}
	them := "it"
	if len(locked) > 1 {
		them = "them"
	}
	return fmt.Errorf("%s: this policy shuts out %s: add %s to an exception of firewall.management, or %s",
		c.conf.File, inWords(locked), them, otherwise)
}

// unless is keepsPeersIn for a command, which can be forced.
func (c candidate) unless(ctx context.Context, force bool) error {
	if force {
		return nil
	}
	return c.keepsPeersIn(ctx, byForce)
}

// warn says whom the policy shuts out where there is nobody to ask.
func (c candidate) warn(ctx context.Context, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, warnPatience)
	defer cancel()
	switch locked, err := c.lockedOut(ctx); {
	case err != nil:
		log.Warn("whether the policy shuts out somebody who is connected now cannot be told", "err", err)
	case len(locked) > 0:
		log.Warn("the policy shuts out who is connected to a management port, and cuts them off",
			"cause", check.FirewallLockout, "peers", inWords(locked))
	}
}

func (c candidate) lockedOut(ctx context.Context) ([]firewall.Peer, error) {
	var further []firewall.Ports
	if c.inForce == nil {
		live, err := liveRuleset(ctx)
		if err == nil && firewall.Diff(c.ruleset, live).Empty() {
			return nil, nil // nothing changes for anybody
		}
		further = firewall.LivePorts(live, c.policy)
	}
	peers, err := sockets.Peers(ctx)
	if err != nil {
		return nil, err
	}
	return firewall.LockedOut(c.policy, c.inForce, further, peers), nil
}

var errDormant = errors.New("the live table judges no packet")

// liveRuleset is what judges packets now. Its errors need not be told: whatever else is done with the live table has them
// too, and a rehearsal asks nothing of it.
func liveRuleset(ctx context.Context) (firewall.Ruleset, error) {
	live, err := kernel.Open()
	if err != nil {
		return firewall.Ruleset{}, err
	}
	defer func() { _ = live.Close() }()
	dump, err := live.Dump(ctx)
	if err == nil && dump.Dormant() {
		err = errDormant
	}
	if err != nil {
		return firewall.Ruleset{}, err
	}
	return dump.Ruleset(), nil
}

// inWords is who is locked out, in words.
func inWords(locked []firewall.Peer) string {
	if len(locked) == 1 {
		return fmt.Sprintf("%s, connected now to %s", locked[0].Remote.Addr(), where(locked[0]))
	}
	var words []string
	for _, p := range locked[:min(len(locked), namedPeers)] {
		words = append(words, fmt.Sprintf("%s to %s", p.Remote.Addr(), where(p)))
	}
	if more := len(locked) - namedPeers; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d peers that are connected now (%s)", len(locked), strings.Join(words, ", "))
}

// where is the port that a peer is connected to, and by which interface: an exception may be for another one.
func where(p firewall.Peer) string {
	if p.Interface == "" {
		return fmt.Sprintf("port %d", p.Local.Port())
	}
	return fmt.Sprintf("port %d by %q", p.Local.Port(), p.Interface)
}
