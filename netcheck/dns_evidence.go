package netcheck

import "sallyport/netcheck/resolver"

// maxAnswersKept is how many records of an answer the evidence keeps.
const maxAnswersKept = 20

// DNSEvidence is what each server answered. Text from servers in it is escaped and bounded.
type DNSEvidence struct {
	Query   string              `json:"query"`
	Type    string              `json:"type"`
	Search  []string            `json:"search,omitempty"` // the names that the search list makes of the query
	Name    string              `json:"name,omitempty"`   // the one of them that the answers are about
	Servers []DNSServerEvidence `json:"servers,omitempty"`
}

// DNSServerEvidence is what one server answered.
type DNSServerEvidence struct {
	Server        string                   `json:"server"`
	Rcode         string                   `json:"rcode,omitempty"` // empty: no usable answer
	Extended      []resolver.ExtendedError `json:"extended_errors,omitempty"`
	Transport     string                   `json:"transport,omitempty"`     // udp, tcp, tls, https
	Tries         int                      `json:"tries,omitempty"`         // packets sent by UDP
	Authoritative bool                     `json:"authoritative,omitempty"` // AA
	Authenticated bool                     `json:"authenticated,omitempty"` // AD: the server validated the answer
	Truncated     bool                     `json:"truncated,omitempty"`     // TC in the answer by UDP
	Chain         []string                 `json:"chain,omitempty"`         // names that aliases led through
	Links         []resolver.Link          `json:"links,omitempty"`         // the same, with what was told of each
	Targets       []resolver.Instance      `json:"targets,omitempty"`       // of SRV records, in the order of their use
	Answers       []string                 `json:"answers,omitempty"`       // the first maxAnswersKept
	AnswerCount   int                      `json:"answer_count"`
	TTL           uint32                   `json:"ttl_s"`            // the lowest of the answer
	DNSSEC        *DNSSECEvidence          `json:"dnssec,omitempty"` // by our own validation, where that is asked for
	Asks          []string                 `json:"asks,omitempty"`   // of systemd-resolved's stub: whom it asks in turn
	Behind        []DNSServerEvidence      `json:"behind,omitempty"` // what those answer, where the stub failed

	BlockedBy *Blocker `json:"blocked_by,omitempty"` // what on this host ends the packets to the server
}

func dnsEvidence(t DNSTarget, asked dnsAsked) DNSEvidence {
	e := DNSEvidence{Query: asked.names[0].String(), Type: asked.question.TypeName()}
	if t.Search {
		e.Query = cleanText(t.Query, resolver.MaxText)
		e.Search, e.Name = shownNames(asked.names), asked.question.String()
	}
	for i, a := range asked.answers {
		server := dnsServerEvidence(a)
		if len(asked.blockers) > 0 {
			server.BlockedBy = asked.blockers[i]
		}
		if len(asked.chains) > 0 {
			server.DNSSEC = asked.chains[i]
		}
		if len(asked.stubs) > 0 && asked.stubs[i] != nil {
			server.Asks = asked.stubs[i].asks
			for _, b := range asked.stubs[i].behind {
				server.Behind = append(server.Behind, dnsServerEvidence(b))
			}
		}
		e.Servers = append(e.Servers, server)
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
	e.Links, e.Targets = a.Verdict.Links, a.Verdict.Targets
	e.Answers = resolver.Shown(a.Verdict.Data, maxAnswersKept)
	e.AnswerCount, e.TTL = len(a.Verdict.Data), a.Verdict.TTL
	return e
}
