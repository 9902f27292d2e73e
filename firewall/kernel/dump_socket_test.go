package kernel

import (
	"encoding/binary"
	"errors"
	"sallyport/firewall/kernel/attribute"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// datagramOf is messages as the kernel sends them.
func datagramOf(all ...netlink.Message) []byte {
	var b []byte
	for _, m := range all {
		m.Header.Length = uint32(unix.SizeofNlMsghdr + len(m.Data))
		one, err := m.MarshalBinary()
		if err != nil {
			panic(err)
		}
		b = append(b, one...)
	}
	return b
}

func TestMessages(t *testing.T) {
	number := func(n int32) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }
	refusal := func(n int32) []byte { return append(number(n), make([]byte, unix.SizeofNlMsghdr)...) }
	of := func(kind netlink.HeaderType, flags netlink.HeaderFlags, data []byte) netlink.Message {
		return netlink.Message{Header: netlink.Header{Type: kind, Flags: flags}, Data: data}
	}
	item, one := of(0xa00, netlink.Multi, number(7)), of(0xa00, 0, number(7))
	short := datagramOf(one)
	binary.NativeEndian.PutUint32(short, 15)
	long := datagramOf(one)
	binary.NativeEndian.PutUint32(long, 24)
	for name, test := range map[string]struct {
		datagram []byte
		passed   int
		more     bool
		want     error
	}{
		"one":              {datagramOf(one), 1, false, nil},
		"part of a list":   {datagramOf(item, item), 2, true, nil},
		"end of a list":    {datagramOf(item, of(netlink.Done, netlink.Multi, number(0))), 1, false, nil},
		"end without word": {datagramOf(of(netlink.Done, netlink.Multi, nil)), 0, false, nil},
		"failed list":      {datagramOf(item, of(netlink.Done, netlink.Multi, number(-4))), 1, false, unix.EINTR},
		"refused":          {datagramOf(of(netlink.Error, 0, refusal(-1))), 0, false, unix.EPERM},
		"acknowledged":     {datagramOf(of(netlink.Error, 0, refusal(0))), 0, false, nil},
		"short error":      {datagramOf(of(netlink.Error, 0, nil)), 0, false, attribute.ErrMalformed},
		"overrun":          {datagramOf(of(netlink.Overrun, 0, nil)), 0, false, unix.ENOBUFS},
		"nothing said":     {datagramOf(of(netlink.Noop, 0, nil), one), 1, false, nil},
		"too short":        {short, 0, false, attribute.ErrMalformed},
		"longer than all":  {long, 0, false, attribute.ErrMalformed},
		"empty":            {nil, 0, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			passed := 0
			more, err := messages(test.datagram, func(m netlink.Message) bool {
				passed++
				if len(m.Data) != 4 || m.Data[0] != 7 {
					t.Errorf("passed on: %v", m)
				}
				return true
			})
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if passed != test.passed || more != test.more {
				t.Errorf("%d passed on, more %t", passed, more)
			}
		})
	}
}

// FuzzMessages holds that no datagram makes messages panic, or pass on what is not in it.
func FuzzMessages(f *testing.F) {
	f.Add(datagramOf(netlink.Message{Data: make([]byte, 8)}, netlink.Message{Header: netlink.Header{Type: netlink.Done}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		left := len(b)
		_, _ = messages(b, func(m netlink.Message) bool {
			if left -= unix.SizeofNlMsghdr + len(m.Data); left < 0 {
				t.Error("more was passed on than there was")
			}
			return true
		})
	})
}
