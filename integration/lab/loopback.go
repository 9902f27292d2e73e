package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// Loopback is the embedded servers at the loopback addresses of the network namespace that the process is in. A process
// of its own runs it, where the servers' work must not be counted as that of whoever asks them.
type Loopback struct {
	lab  *Lab
	node *Node
}

// NewLoopback starts the servers. Their ports are the usual ones: they need a namespace without any others. As in a lab,
// dir gets the trusted roots and the password.
func NewLoopback(ctx context.Context, dir string) (*Loopback, error) {
	network, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("loopback: %w", err)
	}
	node := &Node{
		Name: "loopback", IPv4: netip.AddrFrom4([4]byte{127, 0, 0, 1}), IPv6: netip.IPv6Loopback(), network: network,
	}
	l := &Loopback{node: node, lab: &Lab{Dir: dir, Resolver: node, Cloud: node, Directory: node}}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("loopback: %w", err), l.Close())
	}
	return l, nil
}

func (l *Loopback) start(ctx context.Context) (err error) {
	if err := l.lab.serve(Embedded); err != nil {
		return err
	}
	if l.lab.Authority, err = NewAuthority("lab"); err != nil {
		return err
	}
	if err := errors.Join(l.lab.settle(), l.lab.Heal(ctx)); err != nil {
		return err
	}
	for _, server := range l.lab.Servers() {
		if err := server.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close stops the servers.
func (l *Loopback) Close() error {
	var errs []error
	for _, server := range l.lab.Servers() {
		errs = append(errs, server.Stop())
	}
	return errors.Join(append(errs, l.node.network.Close())...)
}
