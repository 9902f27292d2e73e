package kernel

import (
	"bytes"
	"sallyport/firewall/kernel/encode"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"golang.org/x/sys/unix"
)

// removeSets deletes sets and maps that the ruleset has not, or has of another kind. Anonymous ones went with their rules.
// Of the others, a set that holds what it should is left alone, so that putting a rule back does not cost the writing of
// 10,000 addresses, and one that nearly does is brought to it. What is to hold something else is deleted too, and made
// anew in the same transaction, which is a third faster than emptying it, and safe: a packet that is judged by the old
// rules looks into the old set until it is done (nft_do_chain chooses the rules, and nf_tables_set_destroy waits).
// Dynamic sets are not touched; those with a timeout are emptied.
func (t *transaction) removeSets(code encode.Code) {
	kept := make(map[string]bool)
	for _, live := range t.live.sets {
		if live.anonymous() || t.prepared[live.name] {
			continue
		}
		set := &nftables.Set{Table: t.table, Name: live.name}
		i := slices.IndexFunc(code.Sets, func(s encode.Set) bool { return s.Spec.Name == live.name })
		switch {
		case i < 0 || t.rebuild || !sameSet(live, code.Sets[i].Spec):
			t.nft.DelSet(set)
		case holds(live, code.Sets[i]):
			kept[live.name], t.full[live.name] = true, true
		case live.is(unix.NFT_SET_TIMEOUT):
			t.nft.FlushSet(set)
			kept[live.name] = true
		default:
			missing, extra, few := elementChanges(live, code.Sets[i])
			if !few || moves(extra, code, i) {
				t.nft.DelSet(set)
				continue
			}
			kept[live.name], t.full[live.name] = true, true
			t.missing[live.name] = missing
			t.changeElements(set, extra, t.nft.SetDeleteElements)
		}
	}
	for _, s := range code.Sets {
		t.full[s.Spec.Name] = t.full[s.Spec.Name] || t.prepared[s.Spec.Name]
		if kept[s.Spec.Name] || t.prepared[s.Spec.Name] {
			t.sets[s.Spec.Name] = t.existing(s.Spec)
		}
	}
}

// existing is a set that is there, as elements and lookups refer to it: by its name alone.
func (t *transaction) existing(s *nftables.Set) *nftables.Set {
	return &nftables.Set{
		Table: t.table, Name: s.Name, HasTimeout: s.HasTimeout, KeyType: s.KeyType, Interval: s.Interval,
		Concatenation: s.Concatenation,
	}
}

// holds says whether a live set of the wanted kind can stay just as it is. What packets put into one is still true.
func holds(live rawSet, want encode.Set) bool {
	return live.is(unix.NFT_SET_EVAL) || learned(live, want) || sameElements(live, want)
}

// learned says that a set is to be empty but for what is put there for a time, and holds nothing else: the addresses of
// names. To forget them with every repair would shut ways out until the names are asked for again.
func learned(live rawSet, want encode.Set) bool {
	return live.is(unix.NFT_SET_TIMEOUT) && len(want.Elements) == 0 && len(live.lasting()) == 0
}

// fewChanges is the part of a set, as a divisor, up to which it is changed element by element.
const fewChanges = 4

// elementChanges tells what a live set without intervals lacks and has too much, where that is little. Boundaries of
// intervals are not changed one by one: the kernel refuses what overlaps while half of the change is made.
func elementChanges(live rawSet, want encode.Set) (missing, extra []nftables.SetElement, few bool) {
	if live.unread || live.is(unix.NFT_SET_INTERVAL) {
		return nil, nil, false
	}
	held, wanted := ascending(pointers(live.elements)), want.Elements
	for len(held) > 0 || len(wanted) > 0 {
		if len(missing)+len(extra) > len(want.Elements)/fewChanges {
			return nil, nil, false
		}
		var order int
		switch {
		case len(held) == 0:
			order = 1
		case len(wanted) == 0:
			order = -1
		default:
			order = bytes.Compare(held[0].key, wanted[0].Key)
		}
		if order == 0 && !bare(held[0]) {
			return nil, nil, false
		}
		if order < 0 {
			extra = append(extra, nftables.SetElement{Key: held[0].key})
		}
		if order > 0 {
			missing = append(missing, wanted[0])
		}
		if order <= 0 {
			held = held[1:]
		}
		if order >= 0 {
			wanted = wanted[1:]
		}
	}
	return missing, extra, true
}

// moves says whether any of what one set is to lose is in another. Then the set is not changed in place: a packet that is
// judged by the old rules at that moment, and has been asked about in the other set before it came there, would be found in
// neither.
func moves(extra []nftables.SetElement, code encode.Code, from int) bool {
	return slices.ContainsFunc(code.Sets, func(s encode.Set) bool {
		if s.Spec == code.Sets[from].Spec || s.Spec.KeyType != code.Sets[from].Spec.KeyType {
			return false
		}
		return slices.ContainsFunc(extra, func(e nftables.SetElement) bool { return s.Has(e.Key) })
	})
}

func pointers(elements []rawElement) []*rawElement {
	list := make([]*rawElement, len(elements))
	for i := range list {
		list[i] = &elements[i]
	}
	return list
}

// sameSet says whether a live set can take the elements and the use of a wanted one.
func sameSet(live rawSet, want *nftables.Set) bool {
	var flags uint64
	for _, f := range []struct {
		set  bool
		flag uint64
	}{
		{want.Interval, unix.NFT_SET_INTERVAL}, {want.HasTimeout, unix.NFT_SET_TIMEOUT},
		{want.Dynamic, unix.NFT_SET_EVAL}, {want.Concatenation, nftSetConcat},
	} {
		if f.set {
			flags |= f.flag
		}
	}
	desc, err := live.attrs.Nested(unix.NFTA_SET_DESC)
	return err == nil && live.flags == flags && len(live.expressions) == 0 &&
		live.attrs.NumberOr0(unix.NFTA_SET_KEY_TYPE) == uint64(want.KeyType.GetNFTMagic()) &&
		live.attrs.NumberOr0(unix.NFTA_SET_KEY_LEN) == uint64(want.KeyType.Bytes) &&
		live.attrs.NumberOr0(unix.NFTA_SET_TIMEOUT) == uint64(want.Timeout.Milliseconds()) &&
		live.attrs.NumberOr0(unix.NFTA_SET_GC_INTERVAL) == 0 &&
		live.attrs.NumberOr0(unix.NFTA_SET_POLICY) == unix.NFT_SET_POL_PERFORMANCE &&
		desc.NumberOr0(unix.NFTA_SET_DESC_SIZE) == uint64(want.Size)
}

// sameElements says whether a live set, which is of the wanted kind, holds just what would be written, boundary for
// boundary. What says the same in other boundaries or in another order is written anew.
func sameElements(live rawSet, want encode.Set) bool {
	if live.unread || live.is(unix.NFT_SET_TIMEOUT) || len(live.elements) != len(want.Elements) {
		return false
	}
	held := ascending(pointers(live.elements))
	return slices.EqualFunc(held, want.Elements, func(e *rawElement, want nftables.SetElement) bool {
		return bytes.Equal(e.key, want.Key) && bytes.Equal(e.keyEnd, want.KeyEnd) &&
			e.closes() == want.IntervalEnd && bare(e)
	})
}

// bare says that an element has nothing besides its key and its place.
func bare(e *rawElement) bool {
	return e.comment == "" && len(e.expressions) == 0 &&
		len(e.attrs.Without(unix.NFTA_SET_ELEM_USERDATA, unix.NFTA_SET_ELEM_PAD)) == 0
}

// elementChunk is how many elements are queued at once: the library numbers them in the 16 bits of an attribute's type,
// of which two are flags.
const elementChunk = 8192

// addSets queues the sets that are not there, and the elements of all. Their errors come back from the flush.
func (t *transaction) addSets(code encode.Code) {
	for _, s := range code.Sets {
		set := t.sets[s.Spec.Name]
		if set == nil {
			fresh := *s.Spec
			set = &fresh
			set.Table, set.KeyByteOrder = t.table, binaryutil.BigEndian
			_ = t.nft.AddSet(set, nil)
			t.sets[set.Name] = set
		}
		elements := s.Elements
		if t.full[set.Name] {
			elements = t.missing[set.Name]
		}
		t.changeElements(set, elements, t.nft.SetAddElements)
	}
}

// changeElements queues elements in chunks.
func (t *transaction) changeElements(
	set *nftables.Set, elements []nftables.SetElement, queue func(*nftables.Set, []nftables.SetElement) error,
) {
	for chunk := range slices.Chunk(elements, elementChunk) {
		_ = queue(set, chunk)
	}
}
