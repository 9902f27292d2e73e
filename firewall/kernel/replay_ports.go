package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

const (
	maxNamedPorts     = 256
	maxNamedAddresses = 64

	// Data types of set keys, as nft numbers them (TYPE_IPADDR, TYPE_IP6ADDR, TYPE_INET_SERVICE).
	addressType  = 7
	address6Type = 8
	serviceType  = 13
	typeBits     = 6 // of one in the type of a concatenation
)

// Ports are numbers of 16 bits that the rules and sets compare with, and that may be ports, ascending, at most 256 of
// them: where others' rules do something of their own, it is most likely there.
func (t Tables) Ports() []uint16 {
	var ports []uint16
	add := func(b []byte) {
		if len(b) >= 2 {
			if port := binary.BigEndian.Uint16(b); port != 0 {
				ports = append(ports, port)
			}
		}
	}
	for _, c := range t.list {
		table, err := decodeTable(c.snapshot)
		if err != nil {
			continue // which a comparison of the tables tells
		}
		for _, chain := range table.chains {
			for _, rule := range chain.rules {
				for _, e := range rule.expressions {
					comparedPorts(e, add)
				}
			}
		}
		for _, set := range table.sets {
			setPorts(set, add)
		}
	}
	slices.Sort(ports)
	ports = slices.Compact(ports)
	return ports[:min(len(ports), maxNamedPorts)]
}

// Addresses are the first addresses in sets of others, at most 64: who is banned there, or let in, is told by nothing
// else.
func (t Tables) Addresses() []netip.Addr {
	var list []netip.Addr
	for _, c := range t.list {
		table, err := decodeTable(c.snapshot)
		if err != nil || c.family == unix.NFPROTO_INET && c.Name == firewall.Table {
			continue
		}
		for _, set := range table.sets {
			kind := set.attrs.NumberOr0(unix.NFTA_SET_KEY_TYPE)
			if kind != addressType && kind != address6Type {
				continue
			}
			for _, e := range set.elements[:min(len(set.elements), maxNamedAddresses)] {
				if a, ok := netip.AddrFromSlice(e.key); ok && !e.closes() && len(list) < maxNamedAddresses {
					list = append(list, a)
				}
			}
		}
	}
	return list
}

// comparedPorts are the constants of two bytes that an expression compares with.
func comparedPorts(e rawExpression, add func([]byte)) {
	kinds := map[string][]uint16{
		exprCmp: {unix.NFTA_CMP_DATA}, exprRange: {unix.NFTA_RANGE_FROM_DATA, unix.NFTA_RANGE_TO_DATA},
	}
	for _, kind := range kinds[e.name] {
		data, err := e.attrs.Nested(kind)
		if value := data.Bytes(unix.NFTA_DATA_VALUE); err == nil && len(value) == 2 {
			add(value)
		}
	}
}

// setPorts are the ports of a set that has them as its key or at the end of it, where a concatenation keeps each part at a
// multiple of four bytes.
func setPorts(set rawSet, add func([]byte)) {
	kind := set.attrs.NumberOr0(unix.NFTA_SET_KEY_TYPE)
	if kind&(1<<typeBits-1) != serviceType {
		return
	}
	for _, e := range set.elements[:min(len(set.elements), maxNamedPorts)] {
		for _, key := range [][]byte{e.key, e.keyEnd} {
			switch {
			case kind == serviceType:
				add(key)
			case len(key) >= 4:
				add(key[len(key)-4:])
			}
		}
	}
}
