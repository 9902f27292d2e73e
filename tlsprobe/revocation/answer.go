package revocation

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Status is what an authority says of a certificate. The zero value is that it is not known.
type Status uint8

// The statuses (RFC 6960 section 2.2). What a responder calls unknown is Unknown here, too.
const (
	Unknown Status = iota
	Good
	Revoked
)

// String is the status as evidence shows it.
func (s Status) String() string {
	switch s {
	case Good:
		return "good"
	case Revoked:
		return "revoked"
	default:
		return "unknown"
	}
}

// Source is where an answer comes from.
type Source string

// The sources, in the order in which they are asked.
const (
	FromStaple Source = "staple" // the OCSP response in the handshake (RFC 6066 section 8)
	FromOCSP   Source = "ocsp"   // the responder that the certificate names (RFC 6960)
	FromCRL    Source = "crl"    // the list that the certificate names (RFC 5280 section 5)
)

// Reason is why a certificate was revoked (RFC 5280 section 5.3.1). The zero value is that no reason is given.
type Reason uint8

// onHold is a revocation that may be taken back.
const onHold Reason = 6

// removeFromCRL ends a revocation; it stands in lists of changes only.
const removeFromCRL Reason = 8

// String is the reason as RFC 5280 spells it; a number for one that it does not know.
func (r Reason) String() string {
	names := [...]string{
		"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation",
		onHold: "certificateHold", removeFromCRL: "removeFromCRL", 9: "privilegeWithdrawn", 10: "aACompromise",
	}
	if int(r) < len(names) && names[r] != "" {
		return names[r]
	}
	return "reason " + strconv.Itoa(int(r))
}

// Answer is what an authority said of one certificate.
type Answer struct {
	Status     Status
	Source     Source    // empty while Unknown
	Produced   time.Time // the instant of which it is true (thisUpdate)
	NextUpdate time.Time // when the next one is there at the latest; zero where the answer does not say
	RevokedAt  time.Time // zero unless Revoked
	Reason     Reason    // of a revocation
}

// until is when the answer is of no use any more. One that does not say when the next is there is true of its own
// instant (RFC 6960 section 4.2.2.1): it is taken for an hour.
func (a Answer) until() time.Time {
	if a.NextUpdate.IsZero() {
		return a.Produced.Add(maxRefresh).Add(tolerance)
	}
	return a.NextUpdate.Add(tolerance)
}

// tolerance is how far the clocks of an authority and of this host may be apart.
const tolerance = 5 * time.Minute

// Problem is why a source gave no answer.
type Problem string

// The problems.
const (
	Unreachable  Problem = "unreachable"   // nothing came, or an HTTP status other than 200
	TooLarge     Problem = "too large"     // more came than is taken
	Malformed    Problem = "malformed"     // what came is neither a response nor a list
	BadSignature Problem = "bad signature" // what came is not signed by who should have
	Unauthorized Problem = "unauthorized"  // signed by who may not, or the responder says that it may not
	Stale        Problem = "stale"         // it was true until some time ago
	NotYet       Problem = "not yet valid" // it will be true
	Mismatched   Problem = "mismatched"    // it is about other certificates
	Refused      Problem = "refused"       // the responder answers with an error (RFC 6960 section 4.2.1)
	NotKnown     Problem = "not known"     // the responder does not know the certificate
	Unsupported  Problem = "unsupported"   // of a kind that is not read: a list of changes, an indirect one
	Absent       Problem = "absent"        // the certificate, or the server, offers no such source
	Held         Problem = "not asked"     // the run has made its fetches, or has no time left
)

// Error is why bytes are no answer. Its words are fit for people: what others wrote is escaped and cut.
type Error struct {
	Problem Problem
	Words   string
}

// Error is the problem with its words.
func (e *Error) Error() string { return string(e.Problem) + ": " + e.Words }

func wrong(p Problem, format string, args ...any) *Error {
	return &Error{Problem: p, Words: fmt.Sprintf(format, args...)}
}

// Failure is a source that gave no answer.
type Failure struct {
	Source  Source // empty where the certificate names none
	At      string // its address, escaped and cut; empty for the stapled one
	Problem Problem
	Words   string
}

// String is the failure in a sentence.
func (f Failure) String() string {
	at := ""
	if f.At != "" {
		at = " of " + f.At
	}
	switch f.Source {
	case FromStaple:
		return fmt.Sprintf("stapled OCSP response: %s: %s", f.Problem, f.Words)
	case FromOCSP:
		return fmt.Sprintf("OCSP%s: %s: %s", at, f.Problem, f.Words)
	case FromCRL:
		return fmt.Sprintf("CRL%s: %s: %s", at, f.Problem, f.Words)
	default:
		return f.Words
	}
}

// failures is the error of a question whose every source failed.
type failures []Failure

func (f failures) Error() string {
	var words []string
	for _, one := range f {
		words = append(words, one.String())
	}
	return strings.Join(words, "; ")
}

// inForce says what is wrong with the dates of an answer; nil when it is one of now.
func (a Answer) inForce(now time.Time) *Error {
	const layout = "2006-01-02 15:04 UTC"
	switch {
	case a.Produced.After(now.Add(tolerance)):
		return wrong(NotYet, "it is of %s only", a.Produced.UTC().Format(layout))
	case !a.NextUpdate.IsZero() && a.NextUpdate.Before(a.Produced):
		return wrong(Malformed, "it ends before it begins")
	case now.Before(a.until()):
		return nil
	case a.NextUpdate.IsZero():
		return wrong(Stale, "it is of %s, and says no time until which it holds", a.Produced.UTC().Format(layout))
	default:
		return wrong(Stale, "it held until %s", a.NextUpdate.UTC().Format(layout))
	}
}

// How many bytes of another's words a sentence carries.
const maxQuoted = 128

func quote(words string) string {
	if len(words) > maxQuoted {
		return strconv.QuoteToASCII(words[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(words)
}
