package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NIC is the name of a node's network interface.
const NIC = "eth0"

// prefix lengths of the lab's one network
const (
	bits4 = 24
	bits6 = 64
)

// loopbackUp sets lo up in the namespace of the process.
func loopbackUp() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return netlink.LinkSetUp(lo)
}

// bridge makes the switch. It forwards from the start, and floods multicast, which neighbour discovery needs.
func bridge(sw *Node) (netlink.Link, error) {
	snooping := false
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br0"
	br := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := sw.links.LinkAdd(br); err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	return br, sw.links.LinkSetUp(br)
}

// plug connects a node to the switch by a pair of virtual Ethernet devices and gives it its addresses.
func plug(sw *Node, br netlink.Link, n *Node) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "to-" + n.Name
	attrs.MasterIndex = br.Attrs().Index
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: NIC, PeerNamespace: netlink.NsFd(int(n.network.Fd()))}
	if err := sw.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("link to %s: %w", n.Name, err)
	}
	if err := sw.links.LinkSetUp(veth); err != nil {
		return fmt.Errorf("link to %s: %w", n.Name, err)
	}
	nic, err := n.links.LinkByName(NIC)
	if err != nil {
		return fmt.Errorf("link of %s: %w", n.Name, err)
	}
	if err := n.links.LinkSetUp(nic); err != nil {
		return fmt.Errorf("link of %s: %w", n.Name, err)
	}
	if err := assign(n, nic, n.IPv4, bits4, 0); err != nil {
		return err
	}
	// Without duplicate address detection (RFC 4862 section 5.4) the address can be used at once.
	return assign(n, nic, n.IPv6, bits6, unix.IFA_F_NODAD)
}

func assign(n *Node, nic netlink.Link, address netip.Addr, bits, flags int) error {
	network := &net.IPNet{IP: address.AsSlice(), Mask: net.CIDRMask(bits, address.BitLen())}
	if err := n.links.AddrAdd(nic, &netlink.Addr{IPNet: network, Flags: flags}); err != nil {
		return fmt.Errorf("address %s of %s: %w", address, n.Name, err)
	}
	return nil
}

// FlushNeighbours makes the node forget the link-layer addresses of all others, so that they must be discovered again.
func (n *Node) FlushNeighbours() error {
	nic, err := n.links.LinkByName(NIC)
	if err != nil {
		return fmt.Errorf("link of %s: %w", n.Name, err)
	}
	neighbours, err := n.links.NeighList(nic.Attrs().Index, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("neighbours of %s: %w", n.Name, err)
	}
	for _, neighbour := range neighbours {
		if neighbour.State&(netlink.NUD_NOARP|netlink.NUD_PERMANENT) != 0 {
			continue
		}
		if err := n.links.NeighDel(&neighbour); err != nil {
			return fmt.Errorf("neighbour %s of %s: %w", neighbour.IP, n.Name, err)
		}
	}
	return nil
}
