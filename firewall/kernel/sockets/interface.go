package sockets

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

const (
	maxRoutes    = 4096 // asked for; peers beyond keep their interface unknown
	routeMessage = 12   // struct rtmsg (linux/rtnetlink.h)
)

// placePeers says by which interface each peer's packets come in: the one that its socket is bound to, as with link-local
// addresses, else the one to which the route back leads from the address that the peer is connected to: a network of its
// own for management often has a routing table of its own. By any other the ruleset lets nothing in that it has not dropped
// before as spoofed. Where nothing leads back, the interface stays unknown.
func placePeers(ctx context.Context, list []firewall.Peer, bound []uint32) error {
	names, err := interfaceNames()
	if err != nil {
		return fmt.Errorf("list the host's interfaces: %w", err)
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return fmt.Errorf("open a socket to ask for routes: %w", err)
	}
	defer func() { _ = conn.Close() }() // nothing was written that could be lost
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	type way struct{ to, from netip.Addr }
	known := make(map[way]uint32)
	for i := range list {
		index, back := bound[i], way{to: list[i].Remote.Addr(), from: list[i].Local.Addr()}
		if index == 0 {
			if _, asked := known[back]; !asked && len(known) < maxRoutes {
				known[back] = routeTo(conn, back.to, back.from)
			}
			index = known[back]
		}
		list[i].Interface = names[index]
	}
	return context.Cause(ctx)
}

func interfaceNames() (map[uint32]string, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	names := make(map[uint32]string, len(list))
	for _, i := range list {
		names[uint32(i.Index)] = i.Name
	}
	return names, nil
}

// routeTo is the index of the interface by which packets to the address leave, 0 where there is no route. They are sent
// from the other address, and from any where that is the zero one.
func routeTo(conn *netlink.Conn, to, from netip.Addr) uint32 {
	attributes := netlink.NewAttributeEncoder()
	attributes.Bytes(unix.RTA_DST, to.AsSlice())
	if from.IsValid() {
		attributes.Bytes(unix.RTA_SRC, from.AsSlice())
	}
	encoded, err := attributes.Encode()
	if err != nil {
		return 0
	}
	question := make([]byte, routeMessage, routeMessage+len(encoded))
	question[0], question[1], question[2] = unix.AF_INET, byte(to.BitLen()), byte(from.BitLen())
	if to.Is6() {
		question[0] = unix.AF_INET6
	}
	answers, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request},
		Data:   append(question, encoded...),
	})
	if err != nil || len(answers) == 0 {
		return 0
	}
	return parseRoute(answers[0].Data)
}

// parseRoute reads the interface of a struct rtmsg with its attributes, 0 where it has none.
func parseRoute(b []byte) uint32 {
	if len(b) < routeMessage {
		return 0
	}
	attributes, err := netlink.NewAttributeDecoder(b[routeMessage:])
	if err != nil {
		return 0
	}
	for attributes.Next() {
		if attributes.Type() == unix.RTA_OIF {
			return attributes.Uint32()
		}
	}
	return 0
}
