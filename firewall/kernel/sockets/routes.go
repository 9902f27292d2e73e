package sockets

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Routes says by which interface packets to each address leave the network namespace of the calling thread; an address to
// which no route leads is left out. It needs no privilege. At most 4096 addresses are asked for.
func Routes(ctx context.Context, to []netip.Addr) (map[netip.Addr]string, error) {
	names, err := interfaceNames()
	if err != nil {
		return nil, fmt.Errorf("sockets: list the host's interfaces: %w", err)
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("sockets: open a socket to ask for routes: %w", err)
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	routes := make(map[netip.Addr]string)
	for _, a := range to[:min(len(to), maxRoutes)] {
		if name, ok := names[routeTo(conn, a, netip.Addr{})]; ok {
			routes[a] = name
		}
	}
	return routes, context.Cause(ctx)
}
