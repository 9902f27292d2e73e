package census

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"sallyport/firewall"
	"sallyport/firewall/kernel/sockets"

	"golang.org/x/sys/unix"
)

// Census is what else in a network namespace can judge packets, change them or lead them away: all that is not Sallyport's.
// What could not be read is named in Gaps, so that nothing reads as absent that was only not seen.
type Census struct {
	Generation uint32 // of the nftables ruleset that was read: each commit to any table raises it
	Tables     []Table
	Programs   []Program
	Gaps       []string // what could not be read, and why; a sentence each

	Addresses []netip.Addr      // those of the host's interfaces
	Links     map[uint32]string // the names of the interfaces by their index
}

// Table is a table of others: one of nftables in any family, or one of legacy iptables, told in the same words.
type Table struct {
	Family     string // ip, ip6, inet, arp, bridge or netdev
	Name       string
	Legacy     bool // of iptables-legacy: no nftables table, and no event tells of its changes
	Dormant    bool // it judges nothing
	Chains     []Chain
	Sets       []firewall.Set // the named sets whose elements could be read
	Flowtables []Flowtable
}

// String is the table as a person names it: "ip nat", "legacy ip filter".
func (t Table) String() string {
	if t.Legacy {
		return "legacy " + t.Family + " " + t.Name
	}
	return t.Family + " " + t.Name
}

// Chain is a chain of others: a base chain where Hook is set.
type Chain struct {
	Name    string
	Hook    *firewall.Hook
	Devices []string // of a base chain that hangs on interfaces: netdev, or inet's ingress
	Rules   []Rule
}

// Rule is one rule of others.
type Rule struct {
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

// Gap notes what could not be read, a sentence. At most twenty are kept.
func (c *Census) Gap(format string, args ...any) {
	const maxGaps = 20
	if len(c.Gaps) < maxGaps {
		c.Gaps = append(c.Gaps, fmt.Sprintf(format, args...))
	}
}

// ReadHost adds what no table of nftables is: the host's addresses and interfaces, the programs that hang on them, and
// legacy iptables. What cannot be read is a gap. It reads in the network namespace of the calling thread.
func (c *Census) ReadHost(ctx context.Context) {
	c.host()
	c.programs(ctx)
	c.legacy()
}

// host reads what tells a packet for the host from one that it passes on.
func (c *Census) host() {
	own, err := sockets.OwnAddresses()
	if err != nil {
		c.Gap("the host's addresses: %v", err)
	}
	for a := range own {
		c.Addresses = append(c.Addresses, a)
	}
	slices.SortFunc(c.Addresses, netip.Addr.Compare)
	links, err := net.Interfaces()
	if err != nil {
		c.Gap("the host's interfaces: %v", err)
	}
	c.Links = make(map[uint32]string, len(links))
	for _, l := range links {
		c.Links[uint32(l.Index)] = l.Name
	}
}

// FamilyName is a family as nft names it (enum nfproto, linux/netfilter.h).
func FamilyName(family byte) string {
	switch family {
	case unix.NFPROTO_INET:
		return "inet"
	case unix.NFPROTO_IPV4:
		return "ip"
	case unix.NFPROTO_ARP:
		return "arp"
	case unix.NFPROTO_NETDEV:
		return "netdev"
	case unix.NFPROTO_BRIDGE:
		return "bridge"
	case unix.NFPROTO_IPV6:
		return "ip6"
	default:
		return fmt.Sprintf("family-%d", family)
	}
}
