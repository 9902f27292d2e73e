package proof

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// links gives interfaces addresses and routes, in the network namespace of the thread that opened it (rtnetlink(7)).
type links struct {
	conn *netlink.Conn
}

func openLinks() (*links, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: open a netlink socket: %w", ErrNoPackets, err)
	}
	return &links{conn: conn}, nil
}

func (l *links) close() error { return l.conn.Close() }

// up sets the interface up.
func (l *links) up(d *device) error {
	err := l.tell(unix.RTM_NEWLINK, 0, unix.IfInfomsg{
		Family: unix.AF_UNSPEC, Index: int32(d.index), Flags: unix.IFF_UP, Change: unix.IFF_UP,
	}, nil)
	if err != nil {
		return fmt.Errorf("set the interface %s up: %w", d.name, err)
	}
	return nil
}

// address gives the interface an address that no one else is asked about (RFC 4862 section 5.4), that no network comes
// with, and that the host takes for nothing it begins: of its own scope in IPv4, deprecated in IPv6 (RFC 6724 section 5).
func (l *links) address(d *device, a netip.Addr) error {
	err := l.tell(unix.RTM_NEWADDR, netlink.Create|netlink.Excl, unix.IfAddrmsg{
		Family: family(a), Prefixlen: uint8(a.BitLen()), Flags: unix.IFA_F_NODAD, Index: uint32(d.index),
		Scope: unix.RT_SCOPE_HOST,
	}, func(e *netlink.AttributeEncoder) {
		e.Bytes(unix.IFA_LOCAL, a.AsSlice())
		e.Bytes(unix.IFA_ADDRESS, a.AsSlice())
		if a.Is6() {
			lifetimes := make([]byte, 16) // struct ifa_cacheinfo: preferred, valid, and two times of its making
			binary.NativeEndian.PutUint32(lifetimes[4:], forever)
			e.Bytes(unix.IFA_CACHEINFO, lifetimes)
		}
	})
	if err != nil {
		return fmt.Errorf("address %s of the interface %s: %w", a, d.name, err)
	}
	return nil
}

// route leads a prefix to the interface, in place of where it led before.
func (l *links) route(d *device, to netip.Prefix) error {
	err := l.tell(unix.RTM_NEWROUTE, netlink.Create|netlink.Replace, unix.RtMsg{
		Family: family(to.Addr()), Dst_len: uint8(to.Bits()), Table: unix.RT_TABLE_MAIN,
		Protocol: unix.RTPROT_STATIC, Scope: unix.RT_SCOPE_LINK, Type: unix.RTN_UNICAST,
	}, func(e *netlink.AttributeEncoder) {
		if to.Bits() > 0 {
			e.Bytes(unix.RTA_DST, to.Addr().AsSlice())
		}
		e.Uint32(unix.RTA_OIF, uint32(d.index))
	})
	if err != nil {
		return fmt.Errorf("route to %s by the interface %s: %w", to, d.name, err)
	}
	return nil
}

// forever is a lifetime without an end (INFINITY_LIFE_TIME, net/if_inet6.h).
const forever = 0xffffffff

// leads says by which kind of route the address is reached and how long its prefix is: RTN_UNSPEC where there is none, or
// one that leads nowhere (blackhole EINVAL, prohibit EACCES, unreachable EHOSTUNREACH: fib_props).
func (l *links) leads(to netip.Addr) (kind, bits uint8, err error) {
	answers, err := l.ask(unix.RTM_GETROUTE, 0, unix.RtMsg{
		Family: family(to), Dst_len: uint8(to.BitLen()), Flags: unix.RTM_F_FIB_MATCH,
	}, func(e *netlink.AttributeEncoder) { e.Bytes(unix.RTA_DST, to.AsSlice()) })
	nowhere := []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EINVAL, errNoFamily}
	if slices.ContainsFunc(nowhere, func(n error) bool { return errors.Is(err, n) }) {
		return unix.RTN_UNSPEC, 0, nil
	}
	if err != nil || len(answers) == 0 {
		return 0, 0, fmt.Errorf("route to %s: %d answers: %w", to, len(answers), err)
	}
	var header unix.RtMsg
	if _, err := binary.Decode(answers[0].Data, binary.NativeEndian, &header); err != nil {
		return 0, 0, fmt.Errorf("route to %s: %w", to, err)
	}
	return header.Type, header.Dst_len, nil
}

// tell sends one request and waits for its acknowledgement, which the kernel gives before it returns.
func (l *links) tell(
	kind netlink.HeaderType, flags netlink.HeaderFlags, header any, attributes func(*netlink.AttributeEncoder),
) error {
	_, err := l.ask(kind, flags|netlink.Acknowledge, header, attributes)
	return err
}

// ask sends one request and returns its answers.
func (l *links) ask(
	kind netlink.HeaderType, flags netlink.HeaderFlags, header any, attributes func(*netlink.AttributeEncoder),
) ([]netlink.Message, error) {
	data, err := binary.Append(nil, binary.NativeEndian, header)
	if err != nil {
		return nil, err
	}
	encoder := netlink.NewAttributeEncoder()
	if attributes != nil {
		attributes(encoder)
	}
	encoded, err := encoder.Encode()
	if err != nil {
		return nil, err
	}
	answers, err := l.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | flags}, Data: append(data, encoded...),
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("%w: %w", errNoFamily, err)
	}
	return answers, err
}

// errNoFamily says that the kernel has no IPv6, or that it is turned off.
var errNoFamily = errors.New("this kernel does not speak it")

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
