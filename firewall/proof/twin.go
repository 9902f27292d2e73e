package proof

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/kernel"
	"sallyport/firewall/kernel/sockets"
)

// twinLimit is how long a twin may take, packets and search for the cause included.
const twinLimit = 30 * time.Second

// ErrNoTwin says that the copy is not the host's ruleset, so that packets through it would prove nothing.
var ErrNoTwin = errors.New("the ruleset cannot be copied whole")

// Fate is what became of a packet.
type Fate string

// The fates. The zero value is no packet.
const (
	FateIn       Fate = "in"        // it came past every rule to where a listener takes it
	FatePassedOn Fate = "passed on" // it left by an interface, for somebody else
	FateKeptOut  Fate = "kept out"  // neither
)

// TwinPacket is one packet that was sent through a twin.
type TwinPacket struct {
	By       string // the interface that it came in by
	From     netip.Addr
	To       netip.Addr // of the host
	Protocol firewall.Protocol
	Port     uint16
}

// String is the packet in words: tcp 8080 of 192.0.2.1, from 198.51.100.9 by eth0.
func (p TwinPacket) String() string {
	return fmt.Sprintf("%s %d of %s, from %s by %s", protocolName(p.Protocol), p.Port, p.To, p.From, plain(p.By))
}

// Difference is a packet that did not meet the fate that the policy says.
type Difference struct {
	Packet     TwinPacket
	Fate       Fate
	Management bool            // the policy lets it in as management
	Suspect    *kernel.TableID // without this table of others it meets the right fate; nil: without none of them
}

// Twin is what was tried with a copy of a host's ruleset.
type Twin struct {
	Tables  []kernel.TableID
	Packets int // that were sent, those of the search for causes aside
	Sources int
	Ports   int
	Omitted int      // packets that would have been sent besides, on a larger twin
	Untried []string // what could not be tried, each with the reason
	Wrong   []Difference
	Admits  int // packets that the policy lets in
	Took    time.Duration
}

// String says it in one line.
func (t Twin) String() string {
	text := fmt.Sprintf("%d packets from %d sources to %d ports, through a copy of %s", t.Packets, t.Sources, t.Ports,
		tablesInWords(len(t.Tables)))
	if t.Omitted > 0 {
		text += fmt.Sprintf("; %d further ones were left out", t.Omitted)
	}
	if len(t.Untried) > 0 {
		text += "; not tried: " + strings.Join(t.Untried[:min(len(t.Untried), namedInDetail)], "; ")
	}
	return text
}

func tablesInWords(n int) string {
	if n == 1 {
		return "the one table"
	}
	return fmt.Sprintf("all %d tables", n)
}

// TryTwin copies the whole ruleset in force in the calling thread's network namespace, others' tables included, into a
// throw-away one that has the same interfaces, addresses and settings, and sends packets through it: to every port on which
// something listens, that the policy names, or that a rule speaks of, from as many sources as the policy names and some
// that it does not. What must become of them is told by the policy alone. The host itself is only read.
//
// The errors are ErrNoTwin, naming the table; ErrNoPackets and kernel.ErrNoNamespace, where there are no rights to try it;
// and those of reading the ruleset.
func TryTwin(ctx context.Context, policy firewall.Policy, listeners []sockets.Listener) (Twin, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, twinLimit,
		fmt.Errorf("no verdict of the twin in %s: %w", twinLimit, context.DeadlineExceeded))
	defer cancel()
	host, err := readHost(ctx)
	if err != nil {
		return Twin{}, fmt.Errorf("twin: %w", err)
	}
	plan, err := planTwin(ctx, host, policy, listeners)
	if err != nil {
		return Twin{}, fmt.Errorf("twin: %w", err)
	}
	var told Twin
	err = kernel.InNamespace(ctx, func(ctx context.Context) (err error) {
		told, err = performTwin(ctx, host, plan)
		return err
	})
	if err != nil {
		return Twin{}, fmt.Errorf("twin: %w", err)
	}
	told.Took = time.Since(began)
	return told, nil
}

// performTwin is done on a thread of the throw-away namespace.
func performTwin(ctx context.Context, host twinHost, plan twinPlan) (told Twin, err error) {
	s := &twinStage{host: host, rig: newRig()}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.setUp(plan); err != nil {
		return Twin{}, err
	}
	asked, err := s.unruled(ctx, plan.asked)
	if err != nil {
		return Twin{}, err
	}
	if err := s.copyTables(ctx); err != nil {
		return Twin{}, err
	}
	fates, err := s.send(ctx, packetsOf(asked))
	if err != nil {
		return Twin{}, err
	}
	told = Twin{
		Tables: host.tables.IDs(), Packets: len(asked), Omitted: plan.omitted, Untried: append(plan.untried, s.untried...),
	}
	told.Sources, told.Ports = extent(asked)
	var wrong []twinQuestion
	for i, q := range asked {
		if q.admitted {
			told.Admits++
		}
		if !q.right(fates[i]) {
			wrong = append(wrong, q)
			told.Wrong = append(told.Wrong, Difference{Packet: q.packet, Fate: fates[i], Management: q.management})
		}
	}
	return told, s.suspect(ctx, wrong, told.Wrong)
}

// copyTables replays the host's tables here, and makes sure that they are the same.
func (s *twinStage) copyTables(ctx context.Context) error {
	if err := s.host.tables.Replay(ctx); err != nil {
		if errors.Is(err, kernel.ErrNotCopied) {
			err = fmt.Errorf("%w: %w", ErrNoTwin, err)
		}
		return err
	}
	here, err := kernel.ReadTables(ctx)
	if err != nil {
		return err
	}
	differ, err := s.host.tables.Differing(here)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoTwin, err)
	}
	if len(differ) > 0 {
		return fmt.Errorf("%w: the copy of %s says something else than the original", ErrNoTwin, differ[0])
	}
	return nil
}
