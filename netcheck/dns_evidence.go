package netcheck

import "sallyport/netcheck/resolver"

// maxAnswersKept is how many records of an answer the evidence keeps.
const maxAnswersKept = 20

// DNSEvidence is what each server answered. Text from servers in it is escaped and bounded.
type DNSEvidence struct {
	Query   string              `json:"query"`
	Type    string              `json:"type"`
	Servers []DNSServerEvidence `json:"servers,omitempty"`
}

// DNSServerEvidence is what one server answered.
type DNSServerEvidence struct {
	Server        string                   `json:"server"`
	Rcode         string                   `json:"rcode,omitempty"` // empty: no usable answer
	Extended      []resolver.ExtendedError `json:"extended_errors,omitempty"`
	Transport     string                   `json:"transport,omitempty"`     // udp, or tcp after a truncated answer
	Tries         int                      `json:"tries,omitempty"`         // packets sent by UDP until the answer came
	Authoritative bool                     `json:"authoritative,omitempty"` // AA
	Authenticated bool                     `json:"authenticated,omitempty"` // AD: the server validated the answer
	Truncated     bool                     `json:"truncated,omitempty"`     // TC in the answer by UDP
	Chain         []string                 `json:"chain,omitempty"`         // names that aliases led through
	Answers       []string                 `json:"answers,omitempty"`       // the first maxAnswersKept
	AnswerCount   int                      `json:"answer_count"`
	TTL           uint32                   `json:"ttl_s"` // the lowest of the answer
}

func dnsEvidence(q resolver.Question, answers []resolver.Answer) DNSEvidence {
	e := DNSEvidence{Query: q.String(), Type: q.TypeName()}
	for _, a := range answers {
		e.Servers = append(e.Servers, dnsServerEvidence(a))
	}
	return e
}

func dnsServerEvidence(a resolver.Answer) DNSServerEvidence {
	e := DNSServerEvidence{Server: a.Server}
	msg := a.Reply.Msg
	if msg == nil {
		return e
	}
	e.Rcode, e.Extended = resolver.RcodeName(msg.Rcode), resolver.ExtendedErrors(msg)
	e.Transport, e.Tries, e.Truncated = a.Reply.Transport.String(), a.Reply.Tries, a.Reply.Truncated
	e.Authoritative, e.Authenticated = msg.Authoritative, msg.AuthenticatedData
	e.Chain = resolver.Shown(a.Verdict.Chain, maxAnswersKept)
	e.Answers = resolver.Shown(a.Verdict.Data, maxAnswersKept)
	e.AnswerCount, e.TTL = len(a.Verdict.Data), a.Verdict.TTL
	return e
}
