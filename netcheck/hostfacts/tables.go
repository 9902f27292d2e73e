package hostfacts

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"strconv"
)

// Flags of a route (include/uapi/linux/route.h, ipv6_route.h).
const (
	routeUp      = 0x1
	routeGateway = 0x2
	routeReject  = 0x200
)

// neighbourComplete is the flag of an entry whose link-layer address is known (ATF_COM, include/uapi/linux/if_arp.h).
const neighbourComplete = 0x2

// takeRoute4 reads a line of /proc/net/route: interface, destination, gateway, flags, three counters, mask; addresses are
// hexadecimal, in the byte order of the host (net/ipv4/fib_trie.c, fib_route_seq_show).
func (f *Facts) takeRoute4(fields []string) {
	if len(fields) < 8 {
		return
	}
	destination, ok1 := hex4(fields[1])
	gateway, ok2 := hex4(fields[2])
	mask, ok3 := hex4(fields[7])
	flags, err := strconv.ParseUint(fields[3], 16, 32)
	if !ok1 || !ok2 || !ok3 || err != nil || flags&routeUp == 0 || flags&routeReject != 0 {
		return
	}
	ones := bits.OnesCount32(binary.BigEndian.Uint32(mask.AsSlice()))
	f.takeRoute(netip.PrefixFrom(destination, ones), gateway, flags&routeGateway != 0, fields[0])
}

// takeRoute6 reads a line of /proc/net/ipv6_route: destination, its length, source, its length, gateway, metric, two
// counters, flags, interface (net/ipv6/route.c, rt6_info_route and ipv6_route_native_seq_show).
func (f *Facts) takeRoute6(fields []string) {
	if len(fields) < 10 || fields[9] == "lo" {
		return
	}
	destination, ok1 := hex6(fields[0])
	gateway, ok2 := hex6(fields[4])
	length, err1 := strconv.ParseUint(fields[1], 16, 8)
	flags, err2 := strconv.ParseUint(fields[8], 16, 32)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || length > 128 || flags&routeUp == 0 || flags&routeReject != 0 ||
		destination.IsMulticast() {
		return
	}
	f.takeRoute(netip.PrefixFrom(destination, int(length)), gateway, flags&routeGateway != 0, fields[9])
}

func (f *Facts) takeRoute(to netip.Prefix, gateway netip.Addr, by bool, link string) {
	switch {
	case to.Bits() == 0:
		f.Default = true
		if by && len(f.Gateways) < maxInterfaces {
			f.Gateways = append(f.Gateways, Gateway{Address: gateway, Interface: link})
		}
	case !by && len(f.Networks) < maxNetworks:
		f.Networks = append(f.Networks, to.Masked())
	}
}

// takeNeighbour reads a line of /proc/net/arp: address, hardware type, flags, link-layer address, mask, interface. An entry
// that is asked for, and one for which nobody answered, have no flag (net/ipv4/arp.c, arp_state_to_flags).
func (f *Facts) takeNeighbour(fields []string) {
	if len(fields) < 6 {
		return
	}
	address, err1 := netip.ParseAddr(fields[0])
	flags, err2 := strconv.ParseUint(fields[2], 0, 32)
	if err1 != nil || err2 != nil {
		return
	}
	for i := range f.Gateways {
		if g := &f.Gateways[i]; g.Address == address && g.Interface == fields[5] {
			g.Asked, g.Answers = true, flags&neighbourComplete != 0
		}
	}
}

func hex4(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 4 {
		return netip.Addr{}, false
	}
	var own [4]byte
	binary.NativeEndian.PutUint32(own[:], binary.BigEndian.Uint32(raw))
	return netip.AddrFrom4(own), true
}

func hex6(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 16 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(raw)), true
}
