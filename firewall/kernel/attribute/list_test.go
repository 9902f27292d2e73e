package attribute

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

func TestList(t *testing.T) {
	inner := Append(nil, 7, []byte{1, 2})
	b := slices.Concat(String(1, "abc"), Encode(2|1<<15, inner), Encode(3, []byte{0, 0, 1, 0}), Encode(1, []byte("second")))
	list, err := Parse(b)
	if err != nil || len(list) != 4 {
		t.Fatalf("%v, %v", list, err)
	}
	if got := list.Text(1); got != "abc" {
		t.Errorf("text %q, want that of the first of its kind", got)
	}
	if got := list.NumberOr0(3); got != 256 {
		t.Errorf("number %d, want 256", got)
	}
	if n, ok := list.Number(1); !ok || n != 0x61626300 || list.NumberOr0(9) != 0 || list.Has(9) {
		t.Errorf("number %d of a text, %d of nothing", n, list.NumberOr0(9))
	}
	nested, err := list.Nested(2)
	if n, ok := nested.Number(7); err != nil || !ok || n != 0x0102 {
		t.Errorf("nested: %v, %v", nested, err)
	}
	if rest := list.Without(1, 3); len(rest) != 1 || rest[0].Kind != 2 {
		t.Errorf("without the kinds 1 and 3: %v", rest)
	}
	if data, err := Find(b, 3); err != nil || !bytes.Equal(data, []byte{0, 0, 1, 0}) {
		t.Errorf("found %x, %v", data, err)
	}
}

// TestMalformed holds that what cannot be read is an error and no empty list.
func TestMalformed(t *testing.T) {
	for name, b := range map[string][]byte{
		"half a header": {4, 0, 1}, "no length": {0, 0, 1, 0}, "shorter than its header": {3, 0, 1, 0},
		"longer than the message": {9, 0, 1, 0, 1, 2, 3, 4},
	} {
		b := slices.Concat(String(1, "before"), b)
		if list, err := Parse(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, %v", name, list, err)
		}
		if found, err := Find(b, 9); !errors.Is(err, ErrMalformed) || found != nil {
			t.Errorf("%s: found %v, %v", name, found, err)
		}
	}
}

// FuzzList reads arbitrary bytes: no panic, and what was read is the same after it was written again.
func FuzzList(f *testing.F) {
	f.Add(String(1, "abc"))
	f.Add(Encode(2|1<<15, Encode(7, []byte{1, 2})))
	f.Add([]byte{5, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Parse(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%v is not named malformed", err)
			}
			return
		}
		var written []byte
		for _, a := range list {
			written = Append(written, a.Kind, a.Data)
			if found, err := Find(b, a.Kind); err != nil || !bytes.Equal(found, list.Bytes(a.Kind)) {
				t.Errorf("kind %d: found %x, %v, want %x", a.Kind, found, err, list.Bytes(a.Kind))
			}
		}
		again, err := Parse(written)
		if err != nil || !slices.EqualFunc(list, again, func(a, b Attribute) bool {
			return a.Kind == b.Kind && bytes.Equal(a.Data, b.Data)
		}) {
			t.Errorf("%v, written and read again: %v, %v", list, again, err)
		}
	})
}
