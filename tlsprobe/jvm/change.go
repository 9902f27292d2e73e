package jvm

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"sallyport/tlsprobe"
)

// maxNamed is how many authorities of a change are kept by name.
const maxNamed = 50

// Authority is a trusted certificate by name and fingerprint.
type Authority struct {
	Subject string `json:"subject"`
	SHA256  string `json:"sha256"` // of the DER form, in hexadecimal
}

func authorityOf(cert *x509.Certificate) Authority {
	sum := sha256.Sum256(cert.Raw)
	subject := tlsprobe.SubjectText(cert)
	return Authority{Subject: subject[:min(len(subject), 256)], SHA256: hex.EncodeToString(sum[:])}
}

// Seen is a trust store as it was last seen, to be kept across restarts.
type Seen struct {
	Path        string       `json:"path"`
	SHA256      string       `json:"sha256"` // of the file
	At          time.Time    `json:"at"`     // when it was first seen so
	Authorities []Authority  `json:"authorities"`
	Replaced    *Replacement `json:"replaced,omitempty"`
}

// Replacement is what became of a store when it was last replaced or changed.
type Replacement struct {
	Path   string      `json:"path"`             // the store before
	Before time.Time   `json:"before"`           // since when it was as it was
	Noted  time.Time   `json:"noted"`            // when the new one was met
	Gone   []Authority `json:"gone,omitempty"`   // the first 50 of them
	Came   []Authority `json:"came,omitempty"`   // the first 50 of them
	Lost   int         `json:"lost,omitempty"`   // how many vanished
	Gained int         `json:"gained,omitempty"` // how many came
}

// Memory keeps what was seen of the store, across restarts. It must be safe for concurrent use.
type Memory interface {
	LastStore() (Seen, bool)
	StoreSeen(Seen) error
}

// replaced compares two states of the store; nil where none of the authorities changed.
func replaced(before, after Seen) *Replacement {
	r := &Replacement{Path: before.Path, Before: before.At, Noted: after.At}
	r.Gone, r.Lost = less(before.Authorities, after.Authorities)
	r.Came, r.Gained = less(after.Authorities, before.Authorities)
	if r.Lost == 0 && r.Gained == 0 {
		return nil
	}
	return r
}

// less are the authorities of a that b lacks, and how many those are.
func less(a, b []Authority) ([]Authority, int) {
	has := map[string]bool{}
	for _, one := range b {
		has[one.SHA256] = true
	}
	rest := slices.DeleteFunc(slices.Clone(a), func(one Authority) bool { return has[one.SHA256] })
	slices.SortFunc(rest, func(x, y Authority) int { return strings.Compare(x.Subject, y.Subject) })
	return rest[:min(len(rest), maxNamed)], len(rest)
}

// Held says whether an authority is among those that vanished.
func (r *Replacement) Held(fingerprint string) bool {
	return r != nil && slices.ContainsFunc(r.Gone, func(a Authority) bool { return a.SHA256 == fingerprint })
}
