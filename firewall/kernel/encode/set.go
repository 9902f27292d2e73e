package encode

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"

	"sallyport/firewall"
)

func keyDatatype(k firewall.KeyType) (nftables.SetDatatype, bool, error) {
	switch k {
	case firewall.IPv4Addr:
		return nftables.TypeIPAddr, false, nil
	case firewall.IPv6Addr:
		return nftables.TypeIP6Addr, false, nil
	case firewall.InetProto:
		return nftables.TypeInetProto, false, nil
	case firewall.InetService:
		return nftables.TypeInetService, false, nil
	case firewall.Mark:
		return nftables.TypeMark, true, nil
	case firewall.IfName:
		return nftables.TypeIFName, true, nil
	case firewall.UID:
		return nftables.TypeUID, true, nil
	case firewall.NFProto:
		return nftables.TypeNFProto, false, nil
	}
	return nftables.SetDatatype{}, false, fmt.Errorf("%w: keys of type %q", ErrNotEncodable, k)
}

func encodeSet(s firewall.Set) (Set, error) {
	if len(s.Key) == 0 || s.Foreign != "" {
		return Set{}, fmt.Errorf("%w: a set without a key, or %q", ErrNotEncodable, s.Foreign)
	}
	types := make([]nftables.SetDatatype, len(s.Key))
	host := make([]bool, len(s.Key))
	for i, k := range s.Key {
		var err error
		if types[i], host[i], err = keyDatatype(k); err != nil {
			return Set{}, err
		}
	}
	set := &nftables.Set{
		Name: s.Name, KeyType: types[0], Interval: s.Interval, Dynamic: s.Dynamic, HasTimeout: s.Timed,
		Timeout: s.Timeout, Size: s.Size,
	}
	if len(types) > 1 {
		concat, err := nftables.ConcatSetType(types...)
		if err != nil {
			return Set{}, err
		}
		set.KeyType, set.Concatenation = concat, s.Interval
	}
	if addressSet(s) {
		elements, err := encodeAddresses(s, int(types[0].Bytes))
		return Set{Spec: set, Elements: elements}, err
	}
	out := Set{Spec: set, Elements: make([]nftables.SetElement, 0, 2*len(s.Elements))}
	for _, e := range s.Elements {
		elements, err := encodeElement(s, e, types, host)
		if err != nil {
			return Set{}, err
		}
		out.Elements = append(out.Elements, elements...)
	}
	return out, nil
}

// addressSet says whether the keys of a set are addresses and nothing else.
func addressSet(s firewall.Set) bool {
	return len(s.Key) == 1 && (s.Key[0] == firewall.IPv4Addr || s.Key[0] == firewall.IPv6Addr)
}

// encodeAddresses gives what encodeElement does, for a set of addresses, in a fraction of the time: those are the large
// ones. All keys stand in one piece of memory.
func encodeAddresses(s firewall.Set, size int) ([]nftables.SetElement, error) {
	each := 1
	if s.Interval {
		each = 2
	}
	elements := make([]nftables.SetElement, 0, each*len(s.Elements))
	keys := make([]byte, 0, each*size*len(s.Elements))
	put := func(a netip.Addr) []byte {
		from := len(keys)
		b := a.As16()
		keys = append(keys, b[16-size:]...)
		return keys[from:len(keys):len(keys)]
	}
	for _, e := range s.Elements {
		if len(e.Key) != 1 {
			return nil, fmt.Errorf("%w: element %s has %d parts, the key has 1", ErrNotEncodable, e, len(e.Key))
		}
		a, ok := e.Key[0].(firewall.Addrs)
		switch {
		case !ok || !sameFamily(a.From, a.To, uint32(size)) || a.To.Less(a.From):
			return nil, fmt.Errorf("%w: %v as a key of %d bytes", ErrNotEncodable, e.Key[0], size)
		case !s.Interval && a.From != a.To:
			return nil, fmt.Errorf("%w: range %s in a set that is not of intervals", ErrNotEncodable, e)
		}
		opening := nftables.SetElement{Key: put(a.From), Timeout: e.Timeout}
		end := a.To.Next()
		// Where nothing comes after it, nft wants to be told, or lists the interval as one key.
		opening.IntervalOpen = s.Interval && !end.IsValid()
		elements = append(elements, opening)
		if s.Interval && end.IsValid() {
			elements = append(elements, nftables.SetElement{Key: put(end), IntervalEnd: true})
		}
	}
	return elements, nil
}

// encodeElement gives one element, or the two boundaries of an interval.
func encodeElement(
	s firewall.Set, e firewall.Element, types []nftables.SetDatatype, host []bool,
) ([]nftables.SetElement, error) {
	if len(e.Key) != len(types) {
		return nil, fmt.Errorf("%w: element %s has %d parts, the key has %d", ErrNotEncodable, e, len(e.Key), len(types))
	}
	var key bounds
	for i, datatype := range types {
		part, err := valueBounds(e.Key[i], datatype.Bytes, host[i])
		if err != nil {
			return nil, err
		}
		key.first = append(key.first, part.first...)
		key.last = append(key.last, part.last...)
		if len(types) > 1 { // each part of a concatenation fills its last register
			padding := make([]byte, -datatype.Bytes&3)
			key.first, key.last = append(key.first, padding...), append(key.last, padding...)
		}
	}
	switch {
	case !s.Interval && !key.single():
		return nil, fmt.Errorf("%w: range %s in a set that is not of intervals", ErrNotEncodable, e)
	case !s.Interval:
		return []nftables.SetElement{{Key: key.first, Timeout: e.Timeout}}, nil
	case len(types) > 1:
		return []nftables.SetElement{{Key: key.first, KeyEnd: key.last, Timeout: e.Timeout}}, nil
	}
	opening := nftables.SetElement{Key: key.first, Timeout: e.Timeout}
	end, ok := after(key.last)
	if !ok { // nothing comes after it: nft wants to be told, or lists the interval as one key
		opening.IntervalOpen = true
		return []nftables.SetElement{opening}, nil
	}
	return []nftables.SetElement{opening, {Key: end, IntervalEnd: true}}, nil
}
