package dnssec

import (
	"fmt"
	"time"
)

// Status is what a validation ends with (RFC 4035 section 4.3).
type Status uint8

// The four states of an answer. The zero value is the one that says nothing.
const (
	// Indeterminate: no verdict, because what is needed for one did not come.
	Indeterminate Status = iota
	// Bogus: the zone is signed, and this answer is not what it signed, or not any more.
	Bogus
	// Insecure: a zone above proves that the answer's zone is not signed, or not in a way that can be checked.
	Insecure
	// Secure: an unbroken chain of signatures leads from the anchor to the answer.
	Secure
)

// String is the status in lower case.
func (s Status) String() string {
	switch s {
	case Bogus:
		return "bogus"
	case Insecure:
		return "insecure"
	case Secure:
		return "secure"
	default:
		return "indeterminate"
	}
}

// Code is the kind of a reason, in words that stay.
type Code string

// The kinds of reasons.
const (
	CodeExpired           Code = "signature-expired"
	CodeNotYetValid       Code = "signature-not-yet-valid"
	CodeSignatureMissing  Code = "signature-missing"
	CodeBadSignature      Code = "bad-signature"
	CodeKeyMissing        Code = "key-missing"    // no DNSKEY that the DS set or the signature speaks of
	CodeDenialMissing     Code = "denial-missing" // no NSEC or NSEC3 proves that what is not there is not there
	CodeForgedAlias       Code = "forged-alias"   // a CNAME that is not what the signed DNAME makes of the name
	CodeUnsigned          Code = "unsigned"       // a zone above proves that it has no DS record
	CodeOptOut            Code = "opt-out"        // within a span in which unsigned delegations are not told (RFC 5155)
	CodeUnsupported       Code = "unsupported-algorithm"
	CodeUnsupportedDigest Code = "unsupported-digest"
	CodeIterations        Code = "nsec3-iterations" // more than maxIterations
	CodeStripped          Code = "stripped"         // the resolver hands out no signatures at all
	CodeNoAnchor          Code = "no-anchor"
	CodeNoAnswer          Code = "no-answer" // a question for a key got no usable answer
	CodeTooCostly         Code = "too-costly"
	CodeAliasLoop         Code = "alias-loop"
)

// Extended is the number that a validating resolver would say for it (RFC 8914 section 4, and number 27 by RFC 9276
// section 3.2).
func (c Code) Extended() uint16 {
	switch c {
	case CodeUnsupported:
		return 1
	case CodeUnsupportedDigest:
		return 2
	case CodeBadSignature, CodeForgedAlias:
		return 6
	case CodeExpired:
		return 7
	case CodeNotYetValid:
		return 8
	case CodeKeyMissing:
		return 9
	case CodeSignatureMissing:
		return 10
	case CodeDenialMissing:
		return 12
	case CodeIterations:
		return 27
	default:
		return 5
	}
}

// Reason is why an answer is not Secure.
type Reason struct {
	Code Code
	Zone string    // whose data it is about, escaped, without the final dot; "." is the root
	Name string    // the records' owner
	Type string    // the records' type
	At   time.Time // when the signature ended or begins; zero for other codes
	Err  error     // why a question got no answer; nil for other codes
	said string
}

// String is the reason as a clause for a person, in lower case; names in it are escaped.
func (r Reason) String() string { return r.said }

// Link is one zone of the chain, from the anchor down.
type Link struct {
	Zone      string    `json:"zone"`
	KeyTag    uint16    `json:"key_tag"` // of the key that signs the zone's keys, and for which the zone above vouches
	Algorithm string    `json:"algorithm"`
	Vouched   string    `json:"vouched"`        // by what: "anchor", or the digest of the DS record
	Until     time.Time `json:"until,omitzero"` // the earliest end of the signatures over the DS and DNSKEY sets
}

// Signed is one set of records of the answer or of a proof whose signature holds.
type Signed struct {
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	Zone      string    `json:"zone"`
	KeyTag    uint16    `json:"key_tag"`
	Algorithm string    `json:"algorithm"`
	Until     time.Time `json:"until,omitzero"`     // the end of the signature
	Wildcard  bool      `json:"wildcard,omitempty"` // made from a record for "*"
}

// Verdict is what a validation found.
type Verdict struct {
	Status Status
	Reason Reason    // why it is not Secure; zero when it is
	Chain  []Link    // of the zone of the last set that was looked at, as far as it was walked with success
	Sets   []Signed  // what was verified of the answer, in the order of aliases
	Until  time.Time // the earliest end of all these signatures; zero when there are none
	// ClockOnly says that the signature in question is right but for its time: if the resolver accepts the answer, it
	// may be this host's clock that is wrong.
	ClockOnly     bool
	Questions     int // asked on the way
	Verifications int // signatures checked on the way
}

// String is the verdict as one clause for a person.
func (v Verdict) String() string {
	if v.Status == Secure {
		return "secure"
	}
	return v.Status.String() + ": " + v.Reason.said
}

// finding ends a validation with another status than Secure.
type finding struct {
	status    Status
	reason    Reason
	clockOnly bool
}

func found(status Status, code Code, zone, owner name, kind uint16, format string, args ...any) *finding {
	return &finding{status: status, reason: Reason{Code: code, Zone: zone.String(), Name: owner.String(),
		Type: typeName(kind), said: fmt.Sprintf(format, args...)}}
}

// costly is the finding for a spent budget.
func costly(zone name) *finding {
	return found(Indeterminate, CodeTooCostly, zone, zone, 0,
		"the records of zone %s ask for more work than an honest zone does; it was left undone", zone)
}
