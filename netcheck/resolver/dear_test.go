package resolver

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// dearMessage answers for a name of 255 octets, each of which is four characters as text: with records of a type that all
// have the same data, up to the size of a message.
func dearMessage(name string, qtype, rtype uint16, data []byte, records int) []byte {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.Id, q.Response = 7, true
	raw, err := q.Pack()
	if err != nil {
		panic(err)
	}
	binary.BigEndian.PutUint16(raw[6:], uint16(records))
	for range records {
		raw = append(raw, 0xc0, 12) // the name of the question
		raw = binary.BigEndian.AppendUint16(raw, rtype)
		raw = append(raw, 0, 1, 0, 0, 0, 60)
		raw = binary.BigEndian.AppendUint16(raw, uint16(len(data)))
		raw = append(raw, data...)
	}
	return raw[:min(len(raw), dns.MaxMsgSize)]
}

func longName() string {
	label := strings.Repeat(`\001`, 63)
	return strings.Join([]string{label, label, label, strings.Repeat(`\001`, 61)}, ".") + "."
}

// TestDearMessages holds that a message that would become hundreds of times its size is refused before it does.
func TestDearMessages(t *testing.T) {
	answer := func(rtype uint16, data []byte, records int) []byte {
		return dearMessage(longName(), rtype, rtype, data, records)
	}
	pointers := bytes.Repeat([]byte{0xc0, 12}, 31_000)
	hip := append([]byte{16, 1, 0, 1}, make([]byte, 17)...) // a host identity and a key, and then names
	for name, tt := range map[string]struct {
		raw  []byte
		says string
	}{
		"one HIP record of names":   {answer(dns.TypeHIP, append(hip, pointers...), 1), "HIP"},
		"many small HIP records":    {answer(dns.TypeHIP, append(hip, pointers[:512]...), 100), "HIP"},
		"thousands of name servers": {answer(dns.TypeNS, []byte{0xc0, 12}, 4000), "4001 records"},
		"thousands of questions": {append([]byte{0, 7, 0x80, 0, 0x20, 0, 0, 0, 0, 0, 0, 0}, pointers...),
			"8192 questions"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parseReply(tt.raw, Question{Name: longName(), Type: dns.TypeHIP}, 7)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v; want words on %s", name, err, tt.says)
		}
		if kib := (after.TotalAlloc - before.TotalAlloc) >> 10; kib > 4<<10 {
			t.Errorf("%s: %d KiB of %d octets", name, kib, len(tt.raw))
		}
	}
	usual := dearMessage("host.test.", dns.TypeHIP, dns.TypeHIP, hip, 2)
	if _, err := parseReply(usual, Question{Name: "host.test.", Type: dns.TypeHIP}, 7); err != nil {
		t.Errorf("two HIP records as they are in use: %v", err)
	}
}

// FuzzTooDear holds that a message is passed over without a fault, whatever it is.
func FuzzTooDear(f *testing.F) {
	f.Add(dearMessage("host.test.", dns.TypeHIP, dns.TypeHIP, make([]byte, 40), 2))
	f.Add(dearMessage(longName(), dns.TypeNS, dns.TypeNS, []byte{0xc0, 12}, 30))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 12 {
			return
		}
		msg := new(dns.Msg)
		if tooDear(raw) != nil || msg.Unpack(raw) != nil {
			return
		}
		sum := 0
		for _, rr := range append(append(msg.Answer, msg.Ns...), msg.Extra...) {
			if rr.Header().Rrtype == dns.TypeHIP {
				sum += int(rr.Header().Rdlength)
			}
		}
		if sum > maxHIP {
			t.Errorf("%d octets of HIP records pass", sum)
		}
	})
}
