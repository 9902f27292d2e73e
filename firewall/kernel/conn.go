package kernel

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
)

// Conn writes and reads the table inet sallyport of one network namespace. It keeps two netlink sockets, one to write by
// and one to read by: the kernel ends a socket only after it has cleaned up behind the last commit, so that a socket for
// each transaction or dump costs some ten milliseconds more. It is not safe for concurrent use.
type Conn struct {
	nft    *nftables.Conn
	reader *dumpSocket // nil before the first dump, and after one that was broken off

	ownership Ownership
	ownable   *bool // whether the kernel has the flags of ownership; nil before that was tried
	swept     bool  // no bridge of an earlier takeover is left

	staged func(stage int) error // told of each stage that is committed; its error ends it there. For tests
}

// Open connects to nftables in the network namespace of the calling thread. Every method is to be called from a thread in
// that namespace: a socket for reading is opened when it is needed. To be closed with Close. The errors are ErrNoNftables
// and those of socket(2).
func Open() (*Conn, error) {
	nft, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("kernel: open a netlink socket: %w", reason(err))
	}
	return &Conn{nft: nft}, nil
}

// Close ends the connection. The table stays in force.
func (c *Conn) Close() error {
	if err := errors.Join(c.closeReader(), c.nft.CloseLasting()); err != nil {
		return fmt.Errorf("kernel: close a netlink socket: %w", err)
	}
	return nil
}

func (c *Conn) closeReader() error {
	if c.reader == nil {
		return nil
	}
	err := c.reader.conn.Close()
	c.reader = nil
	return err
}
