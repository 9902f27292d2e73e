package kernel

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
)

// keyTypes are the data types of a set's key: libnftables numbers them and puts six bits for each part into one number,
// the last part lowest (nftables include/datatype.h, TYPE_BITS).
func keyTypes(number uint64) []firewall.KeyType {
	var types []firewall.KeyType
	for ; number > 0; number >>= 6 {
		types = append(types, keyType(number&0x3f))
	}
	slices.Reverse(types)
	return types
}

func keyType(number uint64) firewall.KeyType {
	switch number {
	case 2:
		return firewall.NFProto
	case 7:
		return firewall.IPv4Addr
	case 8:
		return firewall.IPv6Addr
	case 12:
		return firewall.InetProto
	case 13:
		return firewall.InetService
	case 19:
		return firewall.Mark
	case 24:
		return firewall.UID
	case 41:
		return firewall.IfName
	default:
		return firewall.KeyType(fmt.Sprintf("type %d", number))
	}
}

// keyLength is the bytes of one key; 0 when the type has no word.
func keyLength(k firewall.KeyType) int {
	switch k {
	case firewall.IPv4Addr, firewall.Mark, firewall.UID:
		return 4
	case firewall.IPv6Addr, firewall.IfName:
		return 16
	case firewall.InetProto, firewall.NFProto:
		return 1
	case firewall.InetService:
		return 2
	default:
		return 0
	}
}

func readSet(s rawSet, known func(rawSet) ([]firewall.Element, bool)) firewall.Set {
	desc, _ := s.attrs.Nested(unix.NFTA_SET_DESC) // what cannot be read is foreign below
	set := firewall.Set{
		Name: s.name, Key: keyTypes(s.attrs.NumberOr0(unix.NFTA_SET_KEY_TYPE)),
		Interval: s.is(unix.NFT_SET_INTERVAL), Dynamic: s.is(unix.NFT_SET_EVAL), Timed: s.is(unix.NFT_SET_TIMEOUT),
		Timeout: milliseconds(s.attrs.NumberOr0(unix.NFTA_SET_TIMEOUT)),
		Size:    uint32(desc.NumberOr0(unix.NFTA_SET_DESC_SIZE)),
	}
	var foreign []string
	var ok bool
	if set.Elements, ok = known(s); !ok {
		set.Elements, foreign = readElements(s, set.Key)
	}
	set.Foreign = strings.Join(append(foreignDeclaration(s), foreign...), " ")
	return set
}

// foreignDeclaration is what a set is that the vocabulary has no word for.
func foreignDeclaration(s rawSet) []string {
	var foreign []string
	const known = unix.NFT_SET_INTERVAL | unix.NFT_SET_EVAL | unix.NFT_SET_TIMEOUT | nftSetConcat
	if rest := s.flags &^ known; rest != 0 {
		foreign = append(foreign, fmt.Sprintf("flags %#x", rest))
	}
	rest := s.attrs.Without(
		unix.NFTA_SET_TABLE, unix.NFTA_SET_NAME, unix.NFTA_SET_FLAGS, unix.NFTA_SET_KEY_TYPE, unix.NFTA_SET_KEY_LEN,
		unix.NFTA_SET_DESC, unix.NFTA_SET_ID, unix.NFTA_SET_TIMEOUT, unix.NFTA_SET_USERDATA, unix.NFTA_SET_PAD,
		nftaSetHandle, nftaSetType, nftaSetCount)
	if len(rest) > 0 {
		foreign = append(foreign, "attributes"+list(rest))
	}
	if len(s.expressions) > 0 {
		var p printer
		foreign = append(foreign, "expressions"+p.expressions(s.expressions))
	}
	return foreign
}

// readElements reads what a set holds to stay; those without a word are foreign.
func readElements(s rawSet, types []firewall.KeyType) ([]firewall.Element, []string) {
	var elements []firewall.Element
	var foreign []string
	var p printer
	keep := func(first, last []byte, timeout time.Duration, text func() string) {
		key, ok := elementValues(types, first, last, s.is(unix.NFT_SET_INTERVAL))
		if !ok {
			foreign = append(foreign, "element "+text())
			return
		}
		elements = append(elements, firewall.Element{Key: key, Timeout: timeout})
	}
	var bounds []*rawElement
	for _, e := range s.lasting() {
		notes := elementNotes(e, &p)
		switch {
		case s.boundaries() && e.key != nil:
			bounds = append(bounds, e)
		case notes != "" || e.key == nil:
			foreign = append(foreign, fmt.Sprintf("element %x%s", e.key, notes))
		default:
			last := e.keyEnd
			if last == nil {
				last = e.key
			}
			keep(e.key, last, milliseconds(e.attrs.NumberOr0(unix.NFTA_SET_ELEM_TIMEOUT)),
				func() string { return fmt.Sprintf("%x-%x", e.key, last) })
		}
	}
	slices.SortFunc(foreign, strings.Compare)
	for _, i := range intervals(bounds, func(e *rawElement) string { return elementNotes(e, &p) }) {
		if i.notes != "" {
			foreign = append(foreign, fmt.Sprintf("element %x..<%x%s", i.first, i.end, i.notes))
			continue
		}
		keep(i.first, before(i.end, len(i.first)), 0, func() string { return fmt.Sprintf("%x..<%x", i.first, i.end) })
	}
	slices.SortStableFunc(elements, firewall.Element.Compare)
	return elements, foreign
}

// elementNotes is what an element has besides its key and its timeout.
func elementNotes(e *rawElement, p *printer) string {
	return list(e.attrs.Without(unix.NFTA_SET_ELEM_USERDATA, unix.NFTA_SET_ELEM_PAD, unix.NFTA_SET_ELEM_EXPIRATION,
		unix.NFTA_SET_ELEM_TIMEOUT)) + p.expressions(e.expressions) + comment(e.comment)
}

// elementValues splits a key into the values of its parts. In a concatenation each part begins on a register of four
// bytes.
func elementValues(types []firewall.KeyType, first, last []byte, interval bool) ([]firewall.Value, bool) {
	var values []firewall.Value
	for _, t := range types {
		n := keyLength(t)
		if n == 0 || len(first) < n || len(last) < n {
			return nil, false
		}
		v, ok := keyForm(t, interval).value(first[:n], last[:n])
		if !ok {
			return nil, false
		}
		values = append(values, v)
		padded := n
		if len(types) > 1 {
			padded = (n + 3) &^ 3
		}
		first, last = first[min(padded, len(first)):], last[min(padded, len(last)):]
	}
	return values, len(values) > 0 && len(first) == 0 && len(last) == 0
}

// anonymousValues is the content of a set that stands in a rule, as values of the field it is compared with.
func anonymousValues(s rawSet, fields []firewall.Field) ([]firewall.Value, bool) {
	const known = unix.NFT_SET_ANONYMOUS | unix.NFT_SET_CONSTANT | unix.NFT_SET_INTERVAL
	if len(fields) != 1 || s.flags&^known != 0 || len(s.expressions) > 0 || len(s.elements) == 0 {
		return nil, false
	}
	var p printer
	var values []firewall.Value
	notes := func(e *rawElement) string { return elementNotes(e, &p) }
	ranges := intervals(s.lasting(), notes)
	if !s.boundaries() {
		ranges = nil
		for _, e := range s.lasting() {
			ranges = append(ranges, interval{first: e.key, notes: notes(e)})
		}
		slices.SortFunc(ranges, func(a, b interval) int { return bytes.Compare(a.first, b.first) })
	}
	for _, i := range ranges {
		last := i.first
		if s.boundaries() {
			last = before(i.end, len(i.first))
		}
		v, ok := fieldForm(fields[0]).value(i.first, last)
		if !ok || i.notes != "" {
			return nil, false
		}
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b firewall.Value) int { // in host order, bytes and numbers have different orders
		return firewall.Element{Key: []firewall.Value{a}}.Compare(firewall.Element{Key: []firewall.Value{b}})
	})
	return values, true
}

// milliseconds turns the kernel's times into durations; one beyond what a duration holds becomes the longest.
func milliseconds(n uint64) time.Duration {
	const most = uint64(1<<63-1) / uint64(time.Millisecond)
	return time.Duration(min(n, most)) * time.Millisecond
}
