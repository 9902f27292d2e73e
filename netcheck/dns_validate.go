package netcheck

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sallyport/check"
	"sallyport/netcheck/dnssec"
	"sallyport/netcheck/resolver"
)

// maxParallelChains is how many servers' answers are validated at the same time.
const maxParallelChains = 16

// DNSSECEvidence is what our own validation found of one server's answer. Text from the DNS in it is escaped.
type DNSSECEvidence struct {
	Status        string          `json:"status"` // secure, insecure, bogus or indeterminate
	Code          string          `json:"code,omitempty"`
	Zone          string          `json:"zone,omitempty"` // at fault
	Reason        string          `json:"reason,omitempty"`
	Chain         []dnssec.Link   `json:"chain,omitempty"`
	Signed        []dnssec.Signed `json:"signed,omitempty"`
	Until         time.Time       `json:"until,omitzero"` // the earliest end of all signatures that counted
	Questions     int             `json:"questions"`      // that the chain took; those before may have told it already
	Verifications int             `json:"verifications"`  // of signatures
}

// unvalidated is why an answer is not what a signed zone says, by our own validation.
type unvalidated struct {
	verdict dnssec.Verdict
	handed  bool // the server hands the answer out, so that programs take it
}

func (e *unvalidated) Error() string { return e.verdict.String() }

// validated judges each server's answer by our own validation, and has its error say what that found. It is nil where none
// is asked for; else one for each answer, nil where there was nothing to validate.
func (t DNSTarget) validated(ctx context.Context, asked dnsAsked) []*DNSSECEvidence {
	if t.Validator == nil {
		return nil
	}
	found := make([]*DNSSECEvidence, len(asked.answers))
	slots := make(chan struct{}, maxParallelChains)
	var group sync.WaitGroup
	for i := range asked.answers {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			found[i] = t.validate(ctx, asked.servers[i], asked.question, &asked.answers[i])
		})
	}
	group.Wait()
	return found
}

// validate is validated for one server. Where that fails at the whole, it is asked once more with CD set, so that a
// resolver which refuses what is bogus is no obstacle to say which zone is, and why.
func (t DNSTarget) validate(ctx context.Context, x *resolver.Exchanger, q resolver.Question, a *resolver.Answer,
) *DNSSECEvidence {
	msg := a.Reply.Msg
	if msg == nil {
		return nil
	}
	handed := resolver.RcodeName(msg.Rcode) != "SERVFAIL"
	if !handed {
		var err error
		if msg, err = x.Ask(ctx, q.Name, q.Type); err != nil {
			return nil
		}
	}
	v := t.Validator.Validate(ctx, x.Ask, dnssec.Question{Name: q.Name, Type: q.Type}, msg, time.Now())
	e := &DNSSECEvidence{Status: v.Status.String(), Code: string(v.Reason.Code), Zone: v.Reason.Zone,
		Reason: v.Reason.String(), Chain: v.Chain, Signed: v.Sets, Until: v.Until, Questions: v.Questions,
		Verifications: v.Verifications}
	if failed := judgeValidated(a, v, handed, a.Reply.Msg.AuthenticatedData); failed != nil {
		failed.Name, failed.Type, failed.Server = q.String(), q.TypeName(), a.Server
		failed.Rcode, failed.Extended = resolver.RcodeName(a.Reply.Msg.Rcode), resolver.ExtendedErrors(a.Reply.Msg)
		a.Err = failed
	}
	return e
}

// judgeValidated is the error that a verdict makes of an answer; nil where the answer's own stands, or there is none.
// Bogus comes before all that the answer says, for that may be forged; the others only where nothing else is wrong.
func judgeValidated(a *resolver.Answer, v dnssec.Verdict, handed, accepted bool) *resolver.Error {
	reason := &unvalidated{verdict: v, handed: handed}
	e := &resolver.Error{Cause: check.DNSMismatch, Err: reason}
	switch {
	case v.Status == dnssec.Secure && !handed && a.Err != nil:
		e.Cause, e.Err = a.Err.Cause, a.Err.Err
		e.Detail = a.Err.Detail + "; by this host's own validation the answer, asked for with CD, is secure: it is the " +
			"resolver whose clock, trust anchor or way to the zone is wrong"
	case v.Status == dnssec.Bogus:
		e.Cause = check.DNSBogus
		e.Detail = bogusWords(a, v, handed, accepted)
	case v.Status == dnssec.Secure, a.Err != nil && !a.Err.Minor:
		return nil
	case v.Status == dnssec.Insecure:
		e.Detail = fmt.Sprintf("answers %s, which is not signed: %s", a.Verdict.Summary(), v.Reason)
	case v.Reason.Code == dnssec.CodeNoAnswer:
		chainUnanswered(e, v)
	case v.Reason.Code == dnssec.CodeTooCostly:
		e.Cause = check.DNSBogus
		e.Detail = "cannot be validated: " + v.Reason.String()
	default:
		e.Detail = fmt.Sprintf("answers %s, which cannot be validated: %s", a.Verdict.Summary(), v.Reason)
	}
	return e
}

func bogusWords(a *resolver.Answer, v dnssec.Verdict, handed, accepted bool) string {
	words := fmt.Sprintf("zone %s: %s", v.Reason.Zone, v.Reason)
	switch {
	case !handed && a.Err != nil:
		return a.Err.Detail + "; this host's own validation says why: " + words
	case accepted && v.ClockOnly:
		return "the answer does not validate: " + words + "; the resolver holds it for valid, so compare the clocks"
	default:
		return "the answer does not validate: " + words
	}
}

// chainUnanswered gives the error the cause of the question to which the chain got no answer.
func chainUnanswered(e *resolver.Error, v dnssec.Verdict) {
	e.Cause, e.Detail = check.DNSServFail, v.Reason.String()
	if v.Reason.Err == nil {
		return
	}
	said := cleanText(v.Reason.Err.Error(), resolver.MaxText)
	if asked, ok := errors.AsType[*resolver.Error](v.Reason.Err); ok {
		e.Cause, e.Err, said = asked.Cause, asked.Err, asked.Detail
	}
	e.Detail += ": it " + said
}

// definite says whether programs take the answer for what it says: a bogus one, too, where the server hands it out.
func definite(e *resolver.Error) bool { return e.Definite() || handsOutBogus(e) }

// handsOutBogus says whether the server gave an answer that our own validation refuses.
func handsOutBogus(e *resolver.Error) bool {
	refused, ok := errors.AsType[*unvalidated](e.Err)
	return ok && refused.handed && e.Cause == check.DNSBogus
}

// remedy is what to do about an answer that does not validate.
func (e *unvalidated) remedy(server string) string {
	zone := e.verdict.Reason.Zone
	switch e.verdict.Reason.Code {
	case dnssec.CodeExpired, dnssec.CodeNotYetValid:
		return fmt.Sprintf("Check this host's clock first; if it is right, have zone %s signed anew.", zone)
	case dnssec.CodeKeyMissing:
		return fmt.Sprintf("Have the DS records of zone %s at its parent, or the trust_anchor, made to fit its keys.", zone)
	case dnssec.CodeUnsigned, dnssec.CodeOptOut, dnssec.CodeUnsupported, dnssec.CodeUnsupportedDigest,
		dnssec.CodeIterations:
		return fmt.Sprintf("Have zone %s signed and its DS record put into the parent zone, or write dnssec: off.", zone)
	case dnssec.CodeStripped:
		return fmt.Sprintf("Let %s, and what it forwards to, hand out signatures (EDNS0 with DO), or name another resolver.",
			server)
	case dnssec.CodeNoAnchor:
		return "Name a trust_anchor for a zone at or above the name, or remove the one that is for another."
	default:
		return fmt.Sprintf("Compare with another resolver: if it says the same, tell who runs zone %s; if not, somebody "+
			"between here and %s changes answers.", zone, server)
	}
}
