package fetch

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// dialer connects to what a name resolves to, and looks at each address at the last moment: a name that leads elsewhere
// at its second resolution (DNS rebinding) gains nothing.
func dialer() *net.Dialer {
	return &net.Dialer{
		KeepAlive: -1,
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("connect to %s: %w", shown(address), err)
			}
			if why := forbidden(to.Addr()); why != "" {
				return fmt.Errorf("%s is %s: nothing is fetched there", to.Addr(), why)
			}
			return nil
		},
	}
}

// forbidden says why nothing is fetched from an address; empty for one that may be asked. Private addresses may: a
// company's authority publishes on its own network. So may loopback, where a relay of this host may publish.
func forbidden(address netip.Addr) string {
	address = address.WithZone("").Unmap()
	metadata := []netip.Addr{ // besides the link-local 169.254.169.254 of AWS, Azure and GCP
		netip.MustParseAddr("100.100.100.200"), // Alibaba
		netip.MustParseAddr("fd00:ec2::254"),   // AWS on IPv6
	}
	switch {
	case slices.Contains(metadata, address):
		return "a cloud's metadata service"
	case address.IsLinkLocalUnicast():
		return "a link-local address"
	case address.IsMulticast(), address == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "no address of one host"
	case address.IsUnspecified():
		return "an unspecified address"
	default:
		return ""
	}
}
