package resolver

import (
	"encoding/binary"
	"fmt"

	"github.com/miekg/dns"
)

// Bounds on what the library may make of a message. Names are compressed in it: a record of a dozen octets, or two octets
// in the list of names that a HIP record has (RFC 8005 section 5), become a name of 255 octets, and that a text of a KiB.
// By them, 64 KiB would become more than 30 MiB.
const (
	maxRecords = 1024
	maxHIP     = 1024 // octets of all HIP records
)

// tooDear says why a message is not even parsed; nil for one that is.
func tooDear(raw []byte) error {
	const counts = 4 // of questions, answers, authorities and additional records, from the fifth octet on
	records := 0
	for i := range counts {
		records += int(binary.BigEndian.Uint16(raw[4+2*i:]))
	}
	if questions := int(binary.BigEndian.Uint16(raw[4:])); questions > 1 {
		return &malformedReply{fmt.Sprintf("a message with %d questions", questions)}
	}
	if records > maxRecords {
		return &malformedReply{fmt.Sprintf("a message with %d records, more than %d", records, maxRecords)}
	}
	if hipOctets(raw) > maxHIP {
		return &malformedReply{fmt.Sprintf("a message with more than %d octets of HIP records", maxHIP)}
	}
	return nil
}

// hipOctets is how many octets of data the HIP records of a message have, as far as it can be read: each octet is passed
// once.
func hipOctets(raw []byte) int {
	const header, questionTail, recordTail = 12, 4, 10
	at, sum := header, 0
	for questions := binary.BigEndian.Uint16(raw[4:]); ; {
		at = skipName(raw, at)
		if questions > 0 {
			questions--
			at += questionTail
			continue
		}
		if at+recordTail > len(raw) {
			return sum
		}
		length := int(binary.BigEndian.Uint16(raw[at+8:]))
		if binary.BigEndian.Uint16(raw[at:]) == dns.TypeHIP {
			sum += length
		}
		at += recordTail + length
	}
}

// skipName is where what follows a name begins; the end of the message for one that has no end. A pointer is not followed:
// a name ends with it (RFC 1035 section 4.1.4).
func skipName(raw []byte, at int) int {
	for at < len(raw) {
		switch length := int(raw[at]); {
		case length == 0:
			return at + 1
		case length >= 0xc0:
			return at + 2
		default:
			at += 1 + length
		}
	}
	return len(raw)
}
