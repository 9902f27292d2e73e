package sockets

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sallyport/firewall/kernel/attribute"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// From linux/inet_diag.h and linux/packet_diag.h, which package unix lacks.
const (
	inetDiagReqProtocol = 3  // a protocol above 255 (MPTCP), in place of the one in the request
	inetDiagSKV6Only    = 11 // of listening IPv6 sockets
	diagProtocolAt      = 1  // sdiag_protocol in struct inet_diag_req_v2

	tcpClose = 7 // linux/tcp_states.h: bound, not connected

	packetRequest    = 20 // struct packet_diag_req
	packetAnswer     = 16 // struct packet_diag_msg
	packetShowInfo   = 1
	packetDiagInfo   = 0
	packetDiagUID    = 6
	packetInfoLength = 20 // struct packet_diag_info
)

// listenersOf lists the listening sockets of one protocol. A connectionless one listens where it is bound and not
// connected: then it takes packets from everybody.
func listenersOf(conn *netlink.Conn, names map[uint32]string, protocol uint16) ([]Listener, error) {
	var all []Listener
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		messages, err := diagDump(conn, listenQuestion(family, protocol))
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			l, err := parseListener(m, names)
			if err != nil {
				return nil, err
			}
			if l.Transport = transportOf(protocol); l.Port == 0 {
				continue // bound to nothing yet
			}
			l.MPTCP = protocol == unix.IPPROTO_MPTCP
			all = append(all, l)
		}
	}
	return all, nil
}

func transportOf(protocol uint16) Transport {
	switch protocol {
	case unix.IPPROTO_UDP:
		return UDP
	case unix.IPPROTO_UDPLITE:
		return UDPLite
	case unix.IPPROTO_SCTP:
		return SCTP
	default:
		return TCP
	}
}

// listenQuestion is diagQuestion for listeners of a protocol.
func listenQuestion(family byte, protocol uint16) []byte {
	states := uint32(1 << tcpListen)
	if protocol == unix.IPPROTO_UDP || protocol == unix.IPPROTO_UDPLITE {
		states = 1 << tcpClose
	}
	b := diagQuestion(family, states)
	if protocol <= 0xff {
		b[diagProtocolAt] = byte(protocol)
		return b
	}
	return attribute.Append(b, inetDiagReqProtocol, binary.NativeEndian.AppendUint32(nil, uint32(protocol)))
}

// diagDump is the answers to one question.
func diagDump(conn *netlink.Conn, question []byte) ([][]byte, error) {
	sent, err := conn.Send(netlink.Message{
		Header: netlink.Header{Type: unix.SOCK_DIAG_BY_FAMILY, Flags: netlink.Request | netlink.Dump},
		Data:   question,
	})
	if err != nil {
		return nil, diagReason(err)
	}
	var list [][]byte
	var failure error
	for m, err := range conn.ReceiveIter() {
		switch {
		case err != nil:
			return nil, diagReason(err)
		case failure != nil: // read on to the end: more is asked on the same socket
		case m.Header.Sequence != sent.Header.Sequence:
			failure = fmt.Errorf("netlink answer %d to request %d", m.Header.Sequence, sent.Header.Sequence)
		case len(list) == maxListeners:
			failure = ErrTooManyListeners
		default:
			list = append(list, m.Data)
		}
	}
	return list, failure
}

// parseListener reads a struct inet_diag_msg with its attributes: what parseSocket reads, then expiry, queues, the user
// and the inode.
func parseListener(b []byte, names map[uint32]string) (Listener, error) {
	if len(b) < diagAnswer {
		return Listener{}, fmt.Errorf("%w: a socket of %d bytes", errMalformed, len(b))
	}
	l := Listener{
		Port: binary.BigEndian.Uint16(b[4:]),
		UID:  binary.NativeEndian.Uint32(b[64:]), Inode: binary.NativeEndian.Uint32(b[68:]),
		Interface: interfaceName(names, binary.NativeEndian.Uint32(b[40:])),
	}
	switch b[0] {
	case unix.AF_INET:
		l.Address = netip.AddrFrom4([4]byte(b[8:]))
	case unix.AF_INET6:
		l.Address = netip.AddrFrom16([16]byte(b[8:])).Unmap()
	default:
		return Listener{}, fmt.Errorf("%w: a socket of the address family %d", errMalformed, b[0])
	}
	attrs, err := attribute.Parse(b[diagAnswer:])
	if err != nil {
		return Listener{}, err
	}
	l.V6Only = attrs.NumberOr0(inetDiagSKV6Only) != 0
	return l, nil
}

// interfaceName is the name of the interface that a socket is bound to; by its number where it has gone since.
func interfaceName(names map[uint32]string, index uint32) string {
	if index == 0 {
		return ""
	}
	if name, ok := names[index]; ok {
		return name
	}
	return fmt.Sprintf("#%d", index)
}

// packetSockets lists the sockets of the family packet that take anything in: such as a DHCP client's, or a sniffer's.
func packetSockets(conn *netlink.Conn, names map[uint32]string) ([]Listener, error) {
	question := make([]byte, packetRequest)
	question[0] = unix.AF_PACKET
	binary.NativeEndian.PutUint32(question[8:], packetShowInfo)
	messages, err := diagDump(conn, question)
	if err != nil {
		return nil, err
	}
	var all []Listener
	for _, m := range messages {
		l, err := parsePacketSocket(m, names)
		if err != nil {
			return nil, err
		}
		if l.Port != 0 { // protocol 0 takes nothing in (packet(7))
			all = append(all, l)
		}
	}
	return all, nil
}

// parsePacketSocket reads a struct packet_diag_msg with its attributes.
func parsePacketSocket(b []byte, names map[uint32]string) (Listener, error) {
	if len(b) < packetAnswer {
		return Listener{}, fmt.Errorf("%w: a packet socket of %d bytes", errMalformed, len(b))
	}
	attrs, err := attribute.Parse(b[packetAnswer:])
	if err != nil {
		return Listener{}, err
	}
	l := Listener{
		Transport: Packet,
		Port:      binary.NativeEndian.Uint16(b[2:]), Inode: binary.NativeEndian.Uint32(b[4:]),
	}
	if info := attrs.Bytes(packetDiagInfo); len(info) >= packetInfoLength {
		l.Interface = interfaceName(names, binary.NativeEndian.Uint32(info))
	}
	if user := attrs.Bytes(packetDiagUID); len(user) == 4 {
		l.UID = binary.NativeEndian.Uint32(user)
	}
	return l, nil
}
