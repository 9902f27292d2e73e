package resolver

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"sallyport/netcheck/plain"
)

// Question is one question to a server. Make one with NewQuestion.
type Question struct {
	Name string // canonical: lower case, with the final dot (RFC 4034 section 6.2)
	Type uint16 // the number of a record type

	// CheckingDisabled asks the server to answer without validating: CD (RFC 4035 section 3.2.2).
	CheckingDisabled bool
	// Signatures asks for the signatures of the records: DO (RFC 3225).
	Signatures bool

	plain bool // without EDNS0, for a server that does not know it
}

// NewQuestion reads a name and a type as an operator writes them.
func NewQuestion(name, qtype string) (Question, error) {
	number, ok := dns.StringToType[strings.ToUpper(qtype)]
	if !ok || number == dns.TypeNone || number == dns.TypeOPT || number == dns.TypeAXFR || number == dns.TypeIXFR {
		return Question{}, fmt.Errorf("%q is no type of record to ask for: want one such as A, AAAA or TXT", qtype)
	}
	if number == dns.TypePTR {
		if arpa, err := dns.ReverseAddr(name); err == nil {
			name = arpa
		}
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return Question{}, fmt.Errorf("%s is no domain name: want labels of at most 63 octets, 255 in all",
			plain.Text(name, 100))
	}
	return Question{Name: dns.CanonicalName(name), Type: number}, nil
}

// String is the name without its final dot, escaped.
func (q Question) String() string { return shownName(q.Name) }

// TypeName is the record type as an operator writes it.
func (q Question) TypeName() string { return dns.Type(q.Type).String() }

// message is the question as it is sent. AD asks a validating server to say whether it validated, without the
// signatures that DO brings (RFC 6840 section 5.7); EDNS0 brings the extended errors of RFC 8914, and its size
// keeps answers below the usual path MTU (1232, DNS flag day 2020).
func (q Question) message() *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.Name, q.Type)
	m.AuthenticatedData = true
	m.CheckingDisabled = q.CheckingDisabled
	if !q.plain {
		m.SetEdns0(ednsSize, q.Signatures)
	}
	return m
}
