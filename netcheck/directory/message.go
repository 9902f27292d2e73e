package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
	"sallyport/netcheck/plain"
)

// notLDAP is why the octets that came are none of LDAP.
type notLDAP struct{ err error }

func (e *notLDAP) Error() string { return "the answer is no LDAP: " + clean(e.err.Error()) }
func (e *notLDAP) Unwrap() error { return e.err }

// response is a message of the directory (RFC 4511 section 4.1.1).
type response struct {
	packet *ber.Packet
	id     int64
	op     *ber.Packet
}

func newResponse(packet *ber.Packet) (response, error) {
	if len(packet.Children) < 2 {
		return response{}, &notLDAP{errors.New("a message without an operation")}
	}
	id, ok := packet.Children[0].Value.(int64)
	op := packet.Children[1]
	if !ok || op.ClassType != ber.ClassApplication {
		return response{}, &notLDAP{errors.New("a message without a number, or an operation")}
	}
	return response{packet, id, op}, nil
}

// result is what ends an operation (RFC 4511 section 4.1.9).
type result struct {
	code      int
	message   string
	referrals []string // escaped; at most maxReferences
}

// resultOf is the result that the library tells as an error. There is none in an error that is the library's own.
func resultOf(err error) (told result, ok bool) {
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok || e.Packet == nil || e.ResultCode >= ldap.ErrorNetwork && e.ResultCode <= ldap.ErrorMalformedPacket {
		return result{}, false
	}
	message := e.Err.Error()
	told = result{code: int(e.ResultCode), message: strings.TrimRight(message[:min(len(message), maxKept)], "\x00")}
	const referral = 3 // RFC 4511 section 4.1.9
	for _, part := range e.Packet.Children[1].Children {
		if part.ClassType == ber.ClassContext && part.Tag == referral {
			told.referrals = linksOf(part)
		}
	}
	return told, true // with Active Directory's last octet, a zero, cut off
}

// linksOf reads the addresses of a referral or a search reference (RFC 4511 sections 4.1.10 and 4.5.3), any of which
// leads to the same entries.
func linksOf(list *ber.Packet) []string {
	var kept []string
	for _, part := range list.Children[:min(len(list.Children), maxReferences)] {
		if link, ok := part.Value.(string); ok {
			kept = append(kept, plain.Text(link, maxLink))
		}
	}
	return kept
}

// preferred is the one of several addresses that can be followed, or the first; none of none.
func preferred(links []string) []string {
	if at := slices.IndexFunc(links, func(l string) bool { return strings.HasPrefix(l, "ldaps:") }); at >= 0 {
		return links[at : at+1]
	}
	return links[:min(len(links), 1)]
}

// notice is the error where a message that nobody asked for is the end of the session (RFC 4511 section 4.4.1).
func (r response) notice() error {
	const responseName = 10
	named := slices.ContainsFunc(r.op.Children, func(p *ber.Packet) bool {
		return p.ClassType == ber.ClassContext && p.Tag == responseName && p.Data.String() == oidDisconnect
	})
	if r.op.Tag != ldap.ApplicationExtendedResponse || !named {
		return nil // a notification that is not understood is no end of the session
	}
	err := ldap.GetLDAPError(r.packet)
	told, ok := resultOf(err)
	if err != nil && !ok {
		return &notLDAP{err}
	}
	return &disconnected{told}
}

// disconnected is the directory's notice that it ends the session.
type disconnected struct{ told result }

func (d *disconnected) Error() string {
	return fmt.Sprintf("the directory ends the session: result %d", d.told.code)
}

// explain blames what the directory says of itself. Else it is a connection that it closed.
func (d *disconnected) explain(operation string) *Error {
	e := refused(operation, d.told, false)
	switch e.Cause {
	case check.LDAPUnavailable, check.LDAPBusy, check.LDAPStrongAuthRequired, check.LDAPConfidentialityRequired:
	default:
		e.Cause = check.LDAPClosed
	}
	e.Detail, e.Err = "the directory ends the session: "+e.Detail, d
	return e
}
