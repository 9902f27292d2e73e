package netcheck

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"sallyport/check"
)

const (
	maxSeen    = 16             // certificates that a check remembers
	forgetSeen = 24 * time.Hour // after which a certificate that is not shown any more would be news again
)

// SeenCertificate is a certificate that a server was seen to have. Its text is escaped.
type SeenCertificate struct {
	SHA256   string    `json:"sha256"` // of its DER form, in hexadecimal
	Pin      string    `json:"pin"`    // of its key: sha256/ and base64 (RFC 7469 section 2.4)
	Serial   string    `json:"serial"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
}

// CertChange is a certificate that a check had not seen before, and the one that it is in place of.
type CertChange struct {
	Before SeenCertificate `json:"before"`
	Now    SeenCertificate `json:"now"`
}

// String is the change in a sentence; empty for none.
func (c *CertChange) String() string {
	if c == nil {
		return ""
	}
	key := "another key"
	if c.Before.Pin == c.Now.Pin {
		key = "the same key"
	}
	return fmt.Sprintf("the certificate changed: now %s, with %s; before %s", c.Now, key, c.Before)
}

// Seen keeps which certificates a check has seen over a restart. It is asked once, and told only of news.
type Seen interface {
	// Last is what was stored for the check; nothing, and no error, when nothing was.
	Last(check string) ([]SeenCertificate, error)
	// Store replaces what is kept for the check.
	Store(check string, certificates []SeenCertificate) error
}

// changes tells a certificate that a check has not seen before. It remembers a set, not the last one: the servers behind
// a name, or behind one address of it, may have several certificates, and show now one, now another.
type changes struct {
	name string // of the check
	kept Seen   // nil forgets with the process

	mu    sync.Mutex
	asked bool // kept was asked
	known []seenAt
}

type seenAt struct {
	SeenCertificate
	latest time.Time
}

// news is what changed when one of the certificates is none of those known; else it is nil. The first ones that a check
// ever sees are no news.
func (c *changes) news(shown []SeenCertificate, now time.Time) *CertChange {
	if len(shown) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load(now)
	first := len(c.known) == 0
	var fresh *SeenCertificate
	for i := range shown {
		at := slices.IndexFunc(c.known, func(k seenAt) bool { return k.SHA256 == shown[i].SHA256 })
		if at >= 0 {
			c.known[at].latest = now
		} else if fresh == nil {
			fresh = &shown[i]
		}
	}
	if fresh == nil {
		c.forget(now)
		return nil
	}
	var change *CertChange
	if !first {
		change = &CertChange{Before: c.before(now), Now: *fresh}
	}
	c.add(shown, now)
	return change
}

// load asks once for what was known before a restart. It counts as seen just now: nobody looked since.
func (c *changes) load(now time.Time) {
	if c.asked || c.kept == nil {
		return
	}
	c.asked = true
	stored, err := c.kept.Last(c.name)
	if err != nil {
		return // what cannot be read is not known; it is written anew
	}
	for _, one := range stored[:min(len(stored), maxSeen)] {
		c.known = append(c.known, seenAt{one, now})
	}
}

// before is the known certificate that was shown the latest, one that is not shown any more before one that is.
func (c *changes) before(now time.Time) SeenCertificate {
	gone := slices.DeleteFunc(slices.Clone(c.known), func(k seenAt) bool { return k.latest.Equal(now) })
	if len(gone) == 0 {
		gone = c.known
	}
	return slices.MaxFunc(gone, func(a, b seenAt) int { return a.latest.Compare(b.latest) }).SeenCertificate
}

func (c *changes) add(shown []SeenCertificate, now time.Time) {
	for _, one := range shown {
		if !slices.ContainsFunc(c.known, func(k seenAt) bool { return k.SHA256 == one.SHA256 }) {
			c.known = append(c.known, seenAt{one, now})
		}
	}
	slices.SortStableFunc(c.known, func(a, b seenAt) int { return b.latest.Compare(a.latest) })
	c.known = c.known[:min(len(c.known), maxSeen)]
	c.forget(now)
	c.store()
}

// forget lets go of what was not shown for long, so that its return is news.
func (c *changes) forget(now time.Time) {
	before := len(c.known)
	c.known = slices.DeleteFunc(c.known, func(k seenAt) bool { return now.Sub(k.latest) > forgetSeen })
	if len(c.known) < before {
		c.store()
	}
}

// store hands on what is known. That it cannot be kept costs a message after the next restart, and no more.
func (c *changes) store() {
	if c.kept == nil {
		return
	}
	certificates := make([]SeenCertificate, 0, len(c.known))
	for _, k := range c.known {
		certificates = append(certificates, k.SeenCertificate)
	}
	_ = c.kept.Store(c.name, certificates)
}

// String is the certificate in a sentence.
func (s SeenCertificate) String() string {
	return fmt.Sprintf("serial %s of %s, valid until %s", s.Serial, s.Issuer, s.NotAfter.Format("2006-01-02"))
}

// noteChange tells in the result that a verified certificate is one that the check has not seen before. It is information:
// a result that is well stays so, and has the cause only in this run; one that is not keeps its own.
func (c *certificates) noteChange(r *check.Result, attempts []attempt, target string) {
	if c == nil {
		return
	}
	var shown []SeenCertificate
	for i := range attempts {
		if a := &attempts[i]; a.facts.Verdict.Trusted() {
			leaf := c.describe(a.facts.Certificates[0])
			shown = append(shown, SeenCertificate{
				SHA256: leaf.SHA256, Pin: leaf.Pin, Serial: leaf.Serial, Issuer: leaf.Issuer, NotAfter: leaf.NotAfter,
			})
		}
	}
	change := c.changes.news(shown, time.Now())
	if change == nil {
		return
	}
	r.Detail += "; " + change.String()
	switch e := r.Evidence.(type) {
	case *TLSEvidence:
		e.Changed = change
	case LDAPSEvidence:
		if e.TLS != nil {
			e.TLS.Changed = change
		}
	}
	if r.Status == check.OK {
		r.Cause, r.Remedy = check.CertChanged, remedyFor(check.CertChanged, target)
	}
}
