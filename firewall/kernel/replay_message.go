package kernel

import (
	"encoding/binary"
	"fmt"
	"sallyport/firewall/kernel/attribute"
	"slices"

	"golang.org/x/sys/unix"
)

// replayMessage is one message of a transaction, without its headers.
type replayMessage struct {
	kind   uint16 // NFT_MSG_NEW...
	family byte
	attrs  []byte
}

// From linux/netfilter/nf_tables.h, which package unix lacks.
const (
	nftaTableHandle   = 4
	nftaTableUserdata = 6
	nftaSetUserdata   = unix.NFTA_SET_USERDATA
	nftaElementPad    = unix.NFTA_SET_ELEM_PAD
	chainHWOffload    = 2 // NFT_CHAIN_HW_OFFLOAD
	nestedFlag        = unix.NLA_F_NESTED

	// elementBytes is how much of a set's elements goes into one message: an attribute has at most 65,535 bytes.
	elementBytes = 32 << 10
)

// messages is what brings the table about again, in the one order that the kernel takes: what is held on to before what
// holds. Rules come last, since the kernel adds no element to a set that stands in a rule, nor a rule to a chain that does.
func (c copied) messages() ([]replayMessage, error) {
	b := &replayer{family: c.family, from: c.snapshot}
	for _, step := range []func() error{
		b.table, b.objects, b.sets, b.chains, b.flowtables, b.elements, b.rules,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.list, nil
}

// replayer makes the messages of one table.
type replayer struct {
	family byte
	from   snapshot
	list   []replayMessage
}

func (b *replayer) add(kind uint16, attrs []byte) {
	b.list = append(b.list, replayMessage{kind: kind, family: b.family, attrs: attrs})
}

// table keeps the flag dormant, and neither the owner nor that it outlives it.
func (b *replayer) table() error {
	attrs, err := attribute.Parse(b.from.Table)
	if err != nil {
		return fmt.Errorf("table: %w", err)
	}
	flags := uint32(attrs.NumberOr0(unix.NFTA_TABLE_FLAGS)) & unix.NFT_TABLE_F_DORMANT
	message := attribute.String(unix.NFTA_TABLE_NAME, b.from.Name)
	message = attribute.Append(message, unix.NFTA_TABLE_FLAGS, binary.BigEndian.AppendUint32(nil, flags))
	if note := attrs.Bytes(nftaTableUserdata); note != nil {
		message = attribute.Append(message, nftaTableUserdata, note)
	}
	b.add(unix.NFT_MSG_NEWTABLE, message)
	return nil
}

func (b *replayer) objects() error {
	for _, message := range b.from.Objects {
		kept, err := without(message, unix.NFTA_OBJ_USE, nftaObjHandle, nftaObjPad)
		if err != nil {
			return fmt.Errorf("object: %w", err)
		}
		attrs, err := attribute.Parse(message)
		if err != nil {
			return fmt.Errorf("object: %w", err)
		}
		if attrs.NumberOr0(unix.NFTA_OBJ_TYPE) == nftObjectQuota {
			if kept, err = replaced(kept, unix.NFTA_OBJ_DATA, undepleted); err != nil {
				return fmt.Errorf("quota: %w", err)
			}
		}
		b.add(unix.NFT_MSG_NEWOBJ, kept)
	}
	return nil
}

// sets are numbered: a transaction cannot add one without.
func (b *replayer) sets() error {
	for i, message := range b.from.Sets {
		kept, err := without(message, unix.NFTA_SET_ID, unix.NFTA_SET_PAD, nftaSetHandle, nftaSetType, nftaSetCount)
		if err != nil {
			return fmt.Errorf("set: %w", err)
		}
		number := binary.BigEndian.AppendUint32(nil, uint32(i+1))
		b.add(unix.NFT_MSG_NEWSET, attribute.Append(kept, unix.NFTA_SET_ID, number))
	}
	return nil
}

// chains keep their names, also those that stand in a rule (jump { ... }), which the kernel has named itself.
func (b *replayer) chains() error {
	for _, message := range b.from.Chains {
		kept, err := without(message, unix.NFTA_CHAIN_HANDLE, unix.NFTA_CHAIN_USE, unix.NFTA_CHAIN_COUNTERS,
			unix.NFTA_CHAIN_PAD, nftaChainID, nftaChainFlags)
		if err != nil {
			return fmt.Errorf("chain: %w", err)
		}
		attrs, err := attribute.Parse(message)
		if err != nil {
			return fmt.Errorf("chain: %w", err)
		}
		if flags := uint32(attrs.NumberOr0(nftaChainFlags)) & (chainBinding | chainHWOffload); flags != 0 {
			kept = attribute.Append(kept, nftaChainFlags, binary.BigEndian.AppendUint32(nil, flags))
		}
		b.add(unix.NFT_MSG_NEWCHAIN, kept)
	}
	return nil
}

func (b *replayer) flowtables() error {
	for _, message := range b.from.Flowtables {
		kept, err := without(message, nftaFlowtableUse, nftaFlowtableHandle, nftaFlowtablePad)
		if err != nil {
			return fmt.Errorf("flowtable: %w", err)
		}
		b.add(unix.NFT_MSG_NEWFLOWTABLE, kept)
	}
	return nil
}

// elements of a set of intervals go in ascending order, an end before what begins there: the kernel refuses a boundary
// that stands inside of an interval.
func (b *replayer) elements() error {
	for _, message := range b.from.Sets {
		set, err := decodeSet(message)
		if err != nil {
			return fmt.Errorf("set: %w", err)
		}
		items, err := elementItems(b.from.Elements[set.name])
		if err != nil {
			return fmt.Errorf("set %q: %w", set.name, err)
		}
		if set.boundaries() {
			slices.SortStableFunc(items, func(x, y elementItem) int {
				if order := compareBounds(&x.decoded, &y.decoded); order != 0 {
					if slices.Equal(x.decoded.key, y.decoded.key) {
						return -order
					}
					return order
				}
				return 0
			})
		}
		b.addElements(set.name, items)
	}
	return nil
}

// elementItem is one element, as it is to be written and as it reads.
type elementItem struct {
	raw     []byte
	decoded rawElement
}

func elementItems(messages [][]byte) ([]elementItem, error) {
	var items []elementItem
	for _, message := range messages {
		attrs, err := attribute.Parse(message)
		if err != nil {
			return nil, err
		}
		list, err := attrs.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		if err != nil {
			return nil, err
		}
		for _, one := range list {
			decoded, err := decodeElement(one.Data)
			if err != nil {
				return nil, err
			}
			raw, err := without(one.Data, nftaElementPad)
			if err != nil {
				return nil, err
			}
			items = append(items, elementItem{raw: raw, decoded: decoded})
		}
	}
	return items, nil
}

func (b *replayer) addElements(set string, items []elementItem) {
	for len(items) > 0 {
		var list []byte
		n := 0
		for n < len(items) && (n == 0 || len(list)+len(items[n].raw) < elementBytes) {
			list = attribute.Append(list, unix.NFTA_LIST_ELEM|nestedFlag, items[n].raw)
			n++
		}
		items = items[n:]
		message := append(attribute.String(unix.NFTA_SET_ELEM_LIST_TABLE, b.from.Name),
			attribute.String(unix.NFTA_SET_ELEM_LIST_SET, set)...)
		b.add(unix.NFT_MSG_NEWSETELEM, attribute.Append(message, unix.NFTA_SET_ELEM_LIST_ELEMENTS|nestedFlag, list))
	}
}

// without is a message less the attributes of some kinds; what is kept stays byte for byte.
func without(message []byte, drop ...uint16) ([]byte, error) {
	kept := make([]byte, 0, len(message)+64)
	for len(message) > 0 {
		a, rest, err := attribute.Next(message)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(drop, a.Kind) {
			kept = append(kept, message[:len(message)-len(rest)]...)
			for len(kept)%attribute.Align != 0 { // the last one of a message may come without its padding
				kept = append(kept, 0)
			}
		}
		message = rest
	}
	return kept, nil
}

// replaced is a message with the payload of an attribute made anew.
func replaced(message []byte, kind uint16, change func([]byte) ([]byte, error)) ([]byte, error) {
	out := make([]byte, 0, len(message))
	for len(message) > 0 {
		a, rest, err := attribute.Next(message)
		if err != nil {
			return nil, err
		}
		if a.Kind == kind {
			data, err := change(a.Data)
			if err != nil {
				return nil, err
			}
			out = attribute.Append(out, binary.NativeEndian.Uint16(message[2:]), data)
		} else {
			out = append(out, message[:len(message)-len(rest)]...)
		}
		message = rest
	}
	return out, nil
}

// undepleted takes the flag that a quota is used up out of it: it is state, and the kernel refuses it. What was used stays.
func undepleted(quota []byte) ([]byte, error) {
	return replaced(quota, nftaQuotaFlags, func(b []byte) ([]byte, error) {
		if len(b) != 4 {
			return nil, fmt.Errorf("%w: flags of %d bytes", attribute.ErrMalformed, len(b))
		}
		return binary.BigEndian.AppendUint32(nil, binary.BigEndian.Uint32(b)&^nftQuotaDepleted), nil
	})
}
