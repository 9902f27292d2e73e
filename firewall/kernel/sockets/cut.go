package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// What a connection may stay for, for errors.Is.
var (
	// ErrNoDestroy says that the kernel cannot end others' connections.
	ErrNoDestroy = errors.New("the kernel cannot end connections (CONFIG_INET_DIAG_DESTROY)")
	// ErrNotPermitted says that the kernel wants CAP_NET_ADMIN in the user namespace that owns the network namespace.
	ErrNotPermitted = errors.New("ending connections needs CAP_NET_ADMIN (run as root)")
)

// States of a TCP socket in which data may still come in (linux/tcp_states.h). That of a connection that is only half open
// stands for its requests too (inet_diag_dump_icsk).
const (
	tcpSynReceived = 3
	tcpFinWait1    = 4
	tcpFinWait2    = 5
	tcpCloseWait   = 8

	tcpComesIn = 1<<tcpEstablished | 1<<tcpSynReceived | 1<<tcpFinWait1 | 1<<tcpFinWait2 | 1<<tcpCloseWait
)

// Cut is a connection that came in and was to be ended.
type Cut struct {
	firewall.Peer
	Err error // why it was not; ErrNoDestroy, ErrNotPermitted
}

// maxCuts bounds the connections that are ended, and told of, at once.
const maxCuts = 1000

// CutOff ends those TCP connections with others, established or half open, of the calling thread's network namespace that
// the function picks, with a reset to both ends. Neither the host's connections with itself nor its listeners are among
// them. It takes at most five seconds, less where the context ends sooner. A connection that ends by itself meanwhile is
// not told of. The errors are those of Peers.
func CutOff(ctx context.Context, picks func(firewall.Peer) bool) ([]Cut, error) {
	var cuts []Cut
	err := connected(ctx, tcpComesIn, func(conn *netlink.Conn, list []firewall.Peer, of []socket) {
		for i, p := range list {
			if !picks(p) || len(cuts) == maxCuts {
				continue
			}
			if err := destroy(conn, of[i]); !errors.Is(err, unix.ENOENT) {
				cuts = append(cuts, Cut{Peer: p, Err: err})
			}
		}
	})
	return cuts, err
}

// destroy ends one connection (SOCK_DESTROY, kernel 4.5; tcp_abort).
func destroy(conn *netlink.Conn, s socket) error {
	_, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DESTROY, Flags: netlink.Request | netlink.Acknowledge},
		Data:   destroyRequest(s),
	})
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: %w", ErrNoDestroy, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w: %w", ErrNotPermitted, err)
	}
	return err
}

// destroyRequest is a struct inet_diag_req_v2 with the socket's identity, its cookie included: another that has come to the
// same addresses since is not meant.
func destroyRequest(s socket) []byte {
	b := make([]byte, diagRequest)
	b[0], b[1] = s.family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[4:], 1<<s.state)
	copy(b[diagRequest-diagIdentity:], s.identity[:])
	return b
}
