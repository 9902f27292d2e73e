package netcheck

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// dnsQuestion is one question to a server.
type dnsQuestion struct {
	name  string // canonical: lower case, with the final dot
	qtype uint16
	cd    bool // checking disabled: the server is asked to answer without validating (RFC 4035 section 3.2.2)
	plain bool // without EDNS0, for a server that does not know it
}

// newDNSQuestion reads a name and a type as an operator writes them.
func newDNSQuestion(name, qtype string) (dnsQuestion, error) {
	number, ok := dns.StringToType[strings.ToUpper(qtype)]
	if !ok || number == dns.TypeNone || number == dns.TypeOPT || number == dns.TypeAXFR || number == dns.TypeIXFR {
		return dnsQuestion{}, fmt.Errorf("%q is no type of record to ask for: want one such as A, AAAA or TXT", qtype)
	}
	if number == dns.TypePTR {
		if arpa, err := dns.ReverseAddr(name); err == nil {
			name = arpa
		}
	}
	if _, ok := dns.IsDomainName(name); !ok {
		return dnsQuestion{}, fmt.Errorf("%s is no domain name: want labels of at most 63 octets, 255 in all",
			cleanText(name, 100))
	}
	return dnsQuestion{name: dns.CanonicalName(name), qtype: number}, nil
}

// display is the name without its final dot.
func (q dnsQuestion) display() string {
	if q.name == "." {
		return q.name
	}
	return cleanText(strings.TrimSuffix(q.name, "."), maxDNSText)
}

func (q dnsQuestion) typeName() string { return dns.TypeToString[q.qtype] }

// message is the question as it is sent. AD asks a validating server to say whether it validated, without the
// signatures that DO would bring (RFC 6840 section 5.7); EDNS0 brings the extended errors of RFC 8914, and its size
// keeps answers below the usual path MTU (1232, DNS flag day 2020).
func (q dnsQuestion) message() *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.qtype)
	m.AuthenticatedData = true
	m.CheckingDisabled = q.cd
	if !q.plain {
		m.SetEdns0(ednsSize, false)
	}
	return m
}
