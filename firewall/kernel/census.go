package kernel

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"
)

// Census is what else in a network namespace can judge packets, change them or lead them away: all that is not Sallyport's.
// What could not be read is named in Gaps, so that nothing reads as absent that was only not seen.
type Census struct {
	Generation uint32 // of the nftables ruleset that was read: see Dump.Generation
	Tables     []OtherTable
	Programs   []Program
	Gaps       []string // what could not be read, and why; a sentence each

	Addresses []netip.Addr      // those of the host's interfaces
	Links     map[uint32]string // the names of the interfaces by their index
}

// OtherTable is a table of others: one of nftables in any family, or one of legacy iptables, told in the same words.
type OtherTable struct {
	Family     string // ip, ip6, inet, arp, bridge or netdev
	Name       string
	Legacy     bool // of iptables-legacy: no nftables table, and no event tells of its changes
	Dormant    bool // it judges nothing
	Chains     []OtherChain
	Sets       []firewall.Set // the named sets whose elements could be read
	Flowtables []Flowtable
}

// String is the table as a person names it: "ip nat", "legacy ip filter".
func (t OtherTable) String() string {
	if t.Legacy {
		return "legacy " + t.Family + " " + t.Name
	}
	return t.Family + " " + t.Name
}

// OtherChain is a chain of others: a base chain where Hook is set.
type OtherChain struct {
	Name    string
	Hook    *firewall.Hook
	Devices []string // of a base chain that hangs on interfaces: netdev, or inet's ingress
	Rules   []OtherRule
}

// OtherRule is one rule of others.
type OtherRule struct {
	Handle uint64 // of legacy iptables: the rule's number in its chain, from 1
	Steps  []Step
}

// Flowtable leads packets of established connections past all chains (linux/net/netfilter/nf_flow_table_core.c).
type Flowtable struct {
	Name    string
	Devices []string
}

// Program is what is attached to an interface before or behind the chains.
type Program struct {
	Link string
	Kind string // xdp, tcx, or the kind of a tc filter: bpf, u32, flower, matchall, ...
	Hook string // ingress or egress
	Name string // of a BPF program, as far as it is told
	ID   uint32 // of a BPF program; 0: none, or not told

	Actions []string // of a tc filter, such as mirred or gact
	Direct  bool     // a BPF filter whose answer is what becomes of the packet
}

const censusLimit = 10 * time.Second // for one census when the caller sets no nearer deadline

// TakeCensus reads what others have in the network namespace of the calling thread, and changes nothing: not even by
// asking, which for legacy iptables would make a table that nobody uses. The nftables part is of one generation. It
// takes at most ten seconds, less where the context ends sooner, and at most 64 MiB of answers. The errors are those of
// Dump; where only a part cannot be read, that is a gap.
func TakeCensus(ctx context.Context) (Census, error) {
	runtime.LockOSThread() // sockets and /proc are of the thread's namespace
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeoutCause(ctx, censusLimit,
		fmt.Errorf("no whole census in %s: %w", censusLimit, context.DeadlineExceeded))
	defer cancel()
	c, err := takeTables(ctx)
	if err != nil {
		return Census{}, fmt.Errorf("kernel: take a census of nftables: %w", err)
	}
	c.host()
	c.programs(ctx)
	c.legacy()
	return c, nil
}

// gap notes what could not be read.
func (c *Census) gap(format string, args ...any) {
	const maxGaps = 20
	if len(c.Gaps) < maxGaps {
		c.Gaps = append(c.Gaps, fmt.Sprintf(format, args...))
	}
}

// host reads what tells a packet for the host from one that it passes on.
func (c *Census) host() {
	own, err := sockets.OwnAddresses()
	if err != nil {
		c.gap("the host's addresses: %v", err)
	}
	for a := range own {
		c.Addresses = append(c.Addresses, a)
	}
	slices.SortFunc(c.Addresses, netip.Addr.Compare)
	links, err := net.Interfaces()
	if err != nil {
		c.gap("the host's interfaces: %v", err)
	}
	c.Links = make(map[uint32]string, len(links))
	for _, l := range links {
		c.Links[uint32(l.Index)] = l.Name
	}
}
