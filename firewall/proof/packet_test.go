package proof

import (
	"bytes"
	"net/netip"
	"testing"
)

func packets() map[string][]byte {
	v4, v6 := netip.MustParseAddrPort("192.0.2.1:40001"), netip.MustParseAddrPort("[2001:db8::1]:40001")
	to4, to6 := netip.MustParseAddrPort("198.51.100.2:22"), netip.MustParseAddrPort("[2001:db8::2]:22")
	return map[string][]byte{
		"tcp4": segment{from: v4, to: to4, flags: flagSYN | flagACK, seq: 0x01020304}.packet(),
		"tcp6": segment{from: v6, to: to6, flags: flagSYN | flagACK, seq: 0x01020304}.packet(),
		"udp4": udp(v4, to4, []byte("odd")), "udp6": udp(v6, to6, []byte("odd")),
		"icmp4": icmp(v4.Addr(), to4.Addr(), 3, 4, 1400, []byte("about")),
		"icmp6": icmp(v6.Addr(), to6.Addr(), 2, 0, 1400, []byte("about")),
	}
}

// TestPacket holds that what is built reads back, and that every sum over it, its own included, is zero (RFC 1071 section
// 1). That the kernel takes these packets, the rehearsals hold.
func TestPacket(t *testing.T) {
	for name, b := range packets() {
		got, ok := parse(b)
		if !ok {
			t.Errorf("%s is not read back: %x", name, b)
			continue
		}
		if b[0]>>4 == 4 && checksum(b[:header4], 0) != 0 {
			t.Errorf("%s: the header's checksum is wrong", name)
		}
		sum := transportSum(got.from.Addr(), got.to.Addr(), got.protocol, got.payload)
		if name == "icmp4" { // has no pseudo-header
			sum = checksum(got.payload, 0)
		}
		if sum != 0 {
			t.Errorf("%s: the checksum is wrong", name)
		}
		flags, seq, tcp := got.tcp()
		kind, about, message := got.icmp()
		switch name[:3] {
		case "tcp":
			ok = tcp && flags == flagSYN|flagACK && seq == 0x01020304 && got.from.Port() == 40001 && got.to.Port() == 22
		case "udp":
			ok = !tcp && !message && bytes.HasSuffix(got.payload, []byte("odd")) && got.to.Port() == 22
		default:
			ok = message && (kind == 3 || kind == 2) && string(about) == "about" && got.to.Port() == 0
		}
		if !ok {
			t.Errorf("%s came back as %+v", name, got)
		}
	}
}

// FuzzParse holds that no packet of the kernel's or of anybody's breaks the reading.
func FuzzParse(f *testing.F) {
	for _, b := range packets() {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := parse(b)
		if !ok {
			return
		}
		if len(got.payload) > len(b) || !got.from.Addr().IsValid() || !got.to.Addr().IsValid() {
			t.Errorf("%x: %+v", b, got)
		}
		_, _, _ = got.tcp()
		if _, about, ok := got.icmp(); ok {
			_, _ = parse(about)
		}
	})
}
