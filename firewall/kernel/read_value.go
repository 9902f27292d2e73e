package kernel

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"net/netip"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
)

// form is how the bytes of a value are to be read.
type form uint8

const (
	formNumber  form = iota // network order
	formHost                // host order
	formAddress             // an address of 4 or 16 bytes
	formName                // an interface name
)

func fieldForm(f firewall.Field) form {
	switch f {
	case firewall.MetaIIF, firewall.MetaOIF, firewall.CTState, firewall.MetaSKUID:
		return formHost
	case firewall.MetaIIFName, firewall.MetaOIFName:
		return formName
	case firewall.IPSaddr, firewall.IPDaddr, firewall.IP6Saddr, firewall.IP6Daddr:
		return formAddress
	default:
		return formNumber
	}
}

// value reads a value, or a range of which both ends are included.
func (f form) value(first, last []byte) (firewall.Value, bool) {
	switch f {
	case formAddress:
		from, ok1 := netip.AddrFromSlice(first)
		to, ok2 := netip.AddrFromSlice(last)
		return firewall.Addrs{From: from, To: to}, ok1 && ok2 && from.BitLen() == to.BitLen()
	case formName:
		return firewall.Name(attribute.Text(first)), bytes.Equal(first, last)
	default:
		from, ok1 := f.number(first)
		to, ok2 := f.number(last)
		if from == to {
			return firewall.Number(from), ok1 && ok2
		}
		// Ranges are compared byte by byte: in host order they are not ranges of numbers.
		return firewall.Range{First: from, Last: to}, ok1 && ok2 && f == formNumber
	}
}

func (f form) number(b []byte) (uint32, bool) {
	switch {
	case len(b) == 1:
		return uint32(b[0]), true
	case len(b) == 2 && f == formNumber:
		return uint32(binary.BigEndian.Uint16(b)), true
	case len(b) == 4 && f == formNumber:
		return binary.BigEndian.Uint32(b), true
	case len(b) == 4:
		return binary.NativeEndian.Uint32(b), true
	default:
		return 0, false
	}
}

// prefixRange is the range of the keys that begin like data, as far as the mask's leading ones go and filled up to the
// length; false where the mask has ones after zeros.
func prefixRange(data, mask []byte, length uint64) (first, last []byte, ok bool) {
	if len(mask) != len(data) || uint64(len(data)) > length || length > unix.NFT_DATA_VALUE_MAXLEN {
		return nil, nil, false
	}
	first, last = make([]byte, length), bytes.Repeat([]byte{0xff}, int(length))
	ended := false
	for i := range data {
		ones := bits.LeadingZeros8(^mask[i])
		if mask[i] != ^byte(0xff>>ones) || ended && ones > 0 || data[i]&^mask[i] != 0 {
			return nil, nil, false
		}
		ended = ended || ones < 8
		first[i], last[i] = data[i], data[i]|^mask[i]
	}
	return first, last, true
}

// keyForm is how a key type's values are to be read. libnftables turns keys of host order into network order where they
// are ends of intervals.
func keyForm(k firewall.KeyType, interval bool) form {
	switch k {
	case firewall.IPv4Addr, firewall.IPv6Addr:
		return formAddress
	case firewall.IfName:
		return formName
	case firewall.Mark, firewall.UID:
		if !interval {
			return formHost
		}
	}
	return formNumber
}

// before is the key before a key; nil, the end of an interval without one, stands for the last key of that length.
func before(key []byte, length int) []byte {
	if key == nil {
		return bytes.Repeat([]byte{0xff}, length)
	}
	last := bytes.Clone(key)
	for i := len(last) - 1; i >= 0; i-- {
		last[i]--
		if last[i] != 0xff {
			break
		}
	}
	return last
}
