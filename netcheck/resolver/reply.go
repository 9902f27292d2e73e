package resolver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"sallyport/netcheck/plain"
)

// Reply is a well-formed answer to the question that was asked.
type Reply struct {
	Msg       *dns.Msg
	Transport Transport
	Tries     int  // packets sent by UDP
	Truncated bool // the answer by UDP had TC set
}

// malformedReply says why what came back is no answer to the question.
type malformedReply struct{ reason string }

func (e *malformedReply) Error() string { return e.reason }

// errStrayReply is a packet that does not claim to answer the question: a late or a forged one. It is passed
// by.
var errStrayReply = errors.New("not the answer to this question")

// parseReply is the message in raw if it is an answer to q with that id. It compares the question, for the library
// accepts any; and the number of records with the header's counts, for the library forgives a message that ends early.
func parseReply(raw []byte, q Question, id uint16) (*dns.Msg, error) {
	const headerSize = 12
	if len(raw) < headerSize {
		return nil, &malformedReply{"fewer octets than a DNS header has"}
	}
	if binary.BigEndian.Uint16(raw) != id {
		return nil, errStrayReply
	}
	if err := tooDear(raw); err != nil {
		return nil, err
	}
	msg := new(dns.Msg)
	if err := msg.Unpack(raw); err != nil {
		return nil, &malformedReply{"no DNS message: " + plain.Text(err.Error(), MaxText)}
	}
	if !msg.Response || msg.Opcode != dns.OpcodeQuery {
		return nil, &malformedReply{"a message that is no response to a query"}
	}
	if err := compareQuestion(msg, q); err != nil {
		return nil, err
	}
	return msg, compareCounts(msg, raw)
}

func compareQuestion(msg *dns.Msg, q Question) error {
	if len(msg.Question) == 0 && msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		return nil // servers that refuse often send the bare header
	}
	if len(msg.Question) != 1 {
		return &malformedReply{fmt.Sprintf("a message with %d questions", len(msg.Question))}
	}
	got := msg.Question[0]
	if !strings.EqualFold(got.Name, q.Name) || got.Qtype != q.Type || got.Qclass != dns.ClassINET {
		return &malformedReply{fmt.Sprintf("an answer to another question: %s %s",
			plain.Text(got.Name, MaxText), dns.Type(got.Qtype))}
	}
	return nil
}

func compareCounts(msg *dns.Msg, raw []byte) error {
	if msg.Truncated {
		return nil // cut short, and says so
	}
	sections := []struct {
		name string
		got  int
		at   int
	}{{"answer", len(msg.Answer), 6}, {"authority", len(msg.Ns), 8}, {"additional", len(msg.Extra), 10}}
	for _, s := range sections {
		if want := int(binary.BigEndian.Uint16(raw[s.at:])); want != s.got {
			return &malformedReply{fmt.Sprintf("a message cut short: its header promises %d records in the %s "+
				"section, it has %d", want, s.name, s.got)}
		}
	}
	return nil
}
