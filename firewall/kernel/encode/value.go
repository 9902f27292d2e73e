package encode

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"sallyport/firewall"
)

// bounds are the first and the last key that a value stands for, as bytes.
type bounds struct{ first, last []byte }

func (b bounds) single() bool { return string(b.first) == string(b.last) }

// valueBounds encodes a value as a key of so many bytes.
func valueBounds(v firewall.Value, size uint32, host bool) (bounds, error) {
	switch v := v.(type) {
	case firewall.Number:
		b, err := numberBytes(uint32(v), size, host)
		return bounds{b, b}, err
	case firewall.Range:
		if host || v.First > v.Last {
			break // the kernel compares bytes, so only network order has ranges
		}
		first, err := numberBytes(v.First, size, false)
		if err != nil {
			return bounds{}, err
		}
		last, err := numberBytes(v.Last, size, false)
		return bounds{first, last}, err
	case firewall.Addrs:
		if !sameFamily(v.From, v.To, size) || v.To.Less(v.From) {
			break
		}
		return bounds{v.From.AsSlice(), v.To.AsSlice()}, nil
	case firewall.Name:
		if size != ifNameSize || len(v) >= ifNameSize || strings.Contains(string(v), "*") {
			break
		}
		b := make([]byte, ifNameSize)
		copy(b, v)
		return bounds{b, b}, nil
	}
	return bounds{}, fmt.Errorf("%w: %v as a key of %d bytes", ErrNotEncodable, v, size)
}

func sameFamily(from, to netip.Addr, size uint32) bool {
	return from.IsValid() && to.IsValid() && uint32(from.BitLen()/8) == size && from.BitLen() == to.BitLen()
}

func numberBytes(n, size uint32, host bool) ([]byte, error) {
	b := make([]byte, 4)
	if host {
		binary.NativeEndian.PutUint32(b, n)
	} else {
		binary.BigEndian.PutUint32(b, n)
	}
	switch {
	case size == 4:
		return b, nil
	case size < 4 && !host && n < 1<<(8*size):
		return b[4-size:], nil
	}
	return nil, fmt.Errorf("%w: %d in %d bytes", ErrNotEncodable, n, size)
}

// after is the key that follows, and false after the last there is.
func after(key []byte) ([]byte, bool) {
	next := append([]byte(nil), key...)
	for i := len(next) - 1; i >= 0; i-- {
		next[i]++
		if next[i] != 0 {
			return next, true
		}
	}
	return nil, false
}
