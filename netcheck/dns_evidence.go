package netcheck

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
	Server        string             `json:"server"`
	Rcode         string             `json:"rcode,omitempty"` // empty: no usable answer
	Extended      []DNSExtendedError `json:"extended_errors,omitempty"`
	Transport     string             `json:"transport,omitempty"`     // udp, or tcp after a truncated answer
	Tries         int                `json:"tries,omitempty"`         // packets sent by UDP until the answer came
	Authoritative bool               `json:"authoritative,omitempty"` // AA
	Authenticated bool               `json:"authenticated,omitempty"` // AD: the server validated the answer
	Truncated     bool               `json:"truncated,omitempty"`     // TC in the answer by UDP
	Chain         []string           `json:"chain,omitempty"`         // names that aliases led through
	Answers       []string           `json:"answers,omitempty"`       // the first maxAnswersKept
	AnswerCount   int                `json:"answer_count"`
	TTL           uint32             `json:"ttl_s"` // the lowest of the answer
}

func dnsEvidence(q dnsQuestion, answers []serverAnswer) DNSEvidence {
	e := DNSEvidence{Query: q.display(), Type: q.typeName()}
	for _, a := range answers {
		e.Servers = append(e.Servers, a.evidence())
	}
	return e
}

func (a serverAnswer) evidence() DNSServerEvidence {
	e := DNSServerEvidence{Server: a.server.String()}
	msg := a.reply.msg
	if msg == nil {
		return e
	}
	e.Rcode, e.Extended = rcodeName(msg.Rcode), extendedErrors(msg)
	e.Transport, e.Tries, e.Truncated = a.reply.transport, a.reply.tries, a.reply.truncated
	e.Authoritative, e.Authenticated = msg.Authoritative, msg.AuthenticatedData
	e.Chain, e.Answers = shown(a.verdict.chain, maxAnswersKept), shown(a.verdict.data, maxAnswersKept)
	e.AnswerCount, e.TTL = len(a.verdict.data), a.verdict.ttl
	return e
}
