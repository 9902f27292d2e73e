package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/encode"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

const (
	// sampledFrom is from how many elements on a set is first asked for some of them, before a write.
	sampledFrom = 1024
	samples     = 8
)

// lookFor is look before a write. What a set holds is read to write only what differs. Of a large set that is asked first:
// where it lacks most of a sample of what is to be written, it is replaced as a whole, and reading it would be in vain. The
// kernel begins a list of elements anew for each 32 KiB of it (nft_set_iter.skip), so that the time grows with the square
// of their number.
func (c *Conn) lookFor(ctx context.Context, o order) (rawTable, error) {
	wanted := make(map[string]encode.Set, len(o.code.Sets))
	for _, s := range o.code.Sets {
		wanted[s.Spec.Name] = s
		wanted[nextPrefix+s.Spec.Name] = s
	}
	return c.lookAt(ctx, o.table, func(s *session, name string, flags uint64) (bool, error) {
		if flags&(unix.NFT_SET_ANONYMOUS|unix.NFT_SET_TIMEOUT) != 0 {
			return true, nil
		}
		set := wanted[name]
		if len(set.Elements) < sampledFrom {
			return true, nil
		}
		return s.resembles(ctx, o.table, name, set)
	})
}

// resembles says whether the live set of that name holds at least half of a sample of what a wanted one holds.
func (s *session) resembles(ctx context.Context, table, name string, want encode.Set) (bool, error) {
	held := 0
	for i := range samples {
		e := want.Elements[i*len(want.Elements)/samples]
		ok, err := s.contains(ctx, table, name, e)
		if err != nil {
			return false, err
		}
		if ok {
			held++
		}
	}
	return held >= samples/2, nil
}

// contains asks for one element.
func (s *session) contains(ctx context.Context, table, set string, e nftables.SetElement) (bool, error) {
	const one = 1 // NFTA_LIST_ELEM
	element := attribute.Encode(unix.NFTA_SET_ELEM_KEY, attribute.Encode(unix.NFTA_DATA_VALUE, e.Key))
	if e.IntervalEnd {
		flags := binary.BigEndian.AppendUint32(nil, unix.NFT_SET_ELEM_INTERVAL_END)
		element = append(element, attribute.Encode(unix.NFTA_SET_ELEM_FLAGS, flags)...)
	}
	request := append(attribute.String(unix.NFTA_SET_ELEM_LIST_TABLE, table),
		attribute.String(unix.NFTA_SET_ELEM_LIST_SET, set)...)
	request = append(request, attribute.Encode(unix.NFTA_SET_ELEM_LIST_ELEMENTS, attribute.Encode(one, element))...)
	err := s.ask(ctx, unix.NFT_MSG_GETSETELEM, 0, request, func([]byte) {})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) { // the set itself may be of another kind
		return false, nil
	}
	return err == nil, err
}
