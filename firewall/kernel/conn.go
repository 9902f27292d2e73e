package kernel

import (
	"fmt"

	"github.com/google/nftables"
)

// Conn writes and reads the table inet sallyport of one network namespace. It keeps one netlink connection for all it
// writes: on a lasting connection a transaction takes a millisecond, on a fresh one twelve. It is not safe for concurrent
// use.
type Conn struct {
	nft   *nftables.Conn
	netns int // descriptor of the namespace for further sockets; 0: that of the calling thread
}

// Open connects to nftables in the network namespace of the calling thread. Every method is to be called from a thread in
// that namespace: reading opens sockets of its own. To be closed with Close. The errors are ErrNoNftables and those of
// socket(2).
func Open() (*Conn, error) { return OpenIn(0) }

// OpenIn is Open in the network namespace that a descriptor refers to, whatever the calling thread's. Entering it takes
// CAP_SYS_ADMIN (setns(2)). The descriptor is the caller's, and must stay open as long as the Conn does.
func OpenIn(netns int) (*Conn, error) {
	nft, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(netns))
	if err != nil {
		return nil, fmt.Errorf("kernel: open a netlink socket: %w", reason(err))
	}
	return &Conn{nft: nft, netns: netns}, nil
}

// Close ends the connection. The table stays in force.
func (c *Conn) Close() error {
	if err := c.nft.CloseLasting(); err != nil {
		return fmt.Errorf("kernel: close the netlink socket: %w", err)
	}
	return nil
}
