package netcheck

import (
	"context"
	"fmt"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
	"sallyport/tlsprobe/revocation"
)

// Revocation is whether the authorities of a verified chain are asked if they revoked its certificates, the root's aside.
type Revocation struct {
	// Checker asks, and remembers; it is for all checks of a process. Nil asks nobody, and does not look at what a
	// server staples either.
	Checker *revocation.Checker
	// Hard has the check fail where the answer is not known. Without it, only a certificate that is known to be revoked
	// fails.
	Hard bool
}

// CertStatus is what its authority says of one certificate of a chain.
type CertStatus struct {
	Subject    string            `json:"subject"`
	Mode       string            `json:"mode"`                  // soft or hard
	Source     revocation.Source `json:"source,omitempty"`      // staple, ocsp or crl; none while the status is unknown
	Status     string            `json:"status"`                // good, revoked, unknown, or exempt (RFC 9608)
	Produced   *time.Time        `json:"produced,omitempty"`    // the instant of which the answer is true
	NextUpdate *time.Time        `json:"next_update,omitempty"` // when the next one is there
	RevokedAt  *time.Time        `json:"revoked_at,omitempty"`
	Reason     string            `json:"reason,omitempty"`      // as RFC 5280 section 5.3.1 spells it
	MustStaple bool              `json:"must_staple,omitempty"` // it demands a stapled answer, and there is no good one
	Failures   []string          `json:"failures,omitempty"`    // the sources that gave no answer, and why
}

// revocations are what an attempt found out.
type revocations struct {
	Revocation
	told []revocation.Told // of the certificates below the root
}

// begin is what an attempt knows at its start; nil where nobody is to be asked.
func (r Revocation) begin() *revocations {
	if r.Checker == nil {
		return nil
	}
	return &revocations{Revocation: r}
}

// mode is the word of the configuration.
func (r Revocation) mode() string {
	if r.Hard {
		return "hard"
	}
	return "soft"
}

// revokedBefore judges the chain before anything is said over the connection: by what the server staples and by what is
// known already, so that a server whose certificate was revoked is sent no password. Where an answer is insisted on, what is
// not known is asked for here, in half of the time that is left: without it, nothing is sent. So is whether a revocation
// that was told long ago still stands, for one that is a hold may be taken back.
func (a *attempt) revokedBefore(ctx context.Context) error {
	if a.revoke == nil {
		return nil
	}
	a.revoke.told = a.revoke.Checker.Known(a.facts.Verdict.Path, a.facts.OCSP)
	if revoked(a.revoke.told) == nil && !a.revoke.Hard {
		return nil
	}
	if err := a.askRevocation(ctx, share(ctx, 1, 2)); err != nil || !a.revoke.Hard {
		return err
	}
	return untold(a.revoke.told)
}

// revokedAfter asks what is not known, where an answer is not insisted on. It comes last and is done with a third of the
// time that is left, so that no authority which is silent keeps anything else from being seen.
func (a *attempt) revokedAfter(ctx context.Context) error {
	if a.revoke == nil || a.revoke.Hard {
		return nil
	}
	return a.askRevocation(ctx, share(ctx, 1, 3))
}

// askRevocation asks the authorities for what is not known yet.
func (a *attempt) askRevocation(ctx context.Context, part time.Duration) error {
	if allSettled(a.revoke.told) {
		return revoked(a.revoke.told)
	}
	ctx, cancel := context.WithTimeout(ctx, part)
	defer cancel()
	a.revoke.told = a.revoke.Checker.Ask(ctx, a.facts.Verdict.Path, a.facts.OCSP)
	return revoked(a.revoke.told)
}

func allSettled(told []revocation.Told) bool {
	for _, t := range told {
		if !t.Settled() {
			return false
		}
	}
	return true
}

// revoked is the error of the first certificate that was revoked; nil where none is known to be.
func revoked(told []revocation.Told) error {
	for i, t := range told {
		if t.Status != revocation.Revoked {
			continue
		}
		by := map[revocation.Source]string{
			revocation.FromStaple: "the OCSP response that the server staples", revocation.FromOCSP: "its OCSP responder",
			revocation.FromCRL: "its list of revocations (CRL)",
		}
		return &opinion{cause: check.CertRevoked, words: fmt.Sprintf("%s was revoked on %s (%s): so says its authority %s, "+
			"by %s", whose(i, t), t.RevokedAt.UTC().Format("2006-01-02 15:04 UTC"), t.Reason,
			cleanText(tlsprobe.SubjectText(t.Issuer), maxTextKept), by[t.Source])}
	}
	return nil
}

// untold is the error of the first certificate of which is not known whether it was revoked, or which lacks the stapled
// answer that it demands; nil where all is known.
func untold(told []revocation.Told) error {
	for i, t := range told {
		var failures []string
		for _, f := range t.Failures {
			failures = append(failures, f.String())
		}
		why := strings.Join(failures, "; ")
		switch {
		case t.Status == revocation.Unknown && !t.Exempt:
			return &opinion{cause: check.CertRevocationUnknown,
				words: fmt.Sprintf("whether %s was revoked cannot be told: %s", whose(i, t), why)}
		case t.Unstapled:
			return &opinion{cause: check.CertRevocationUnknown,
				words: fmt.Sprintf("%s is not good without a stapled answer: %s", whose(i, t), why)}
		}
	}
	return nil
}

// whose is a certificate of the chain in a sentence.
func whose(index int, t revocation.Told) string {
	if index == 0 {
		return "the certificate"
	}
	return "the intermediate certificate " + cleanText(tlsprobe.SubjectText(t.Cert), maxTextKept)
}

// stapleNote says what is wrong with what a server staples, where that is no failure of the check; empty for nothing.
func (a *attempt) stapleNote() string {
	if a.revoke == nil || len(a.revoke.told) == 0 {
		return ""
	}
	for _, f := range a.revoke.told[0].Failures {
		if f.Source == revocation.FromStaple {
			return "; " + f.String()
		}
	}
	return ""
}

// describeRevocation is what the evidence has of it.
func (a *attempt) describeRevocation() []CertStatus {
	if a.revoke == nil || len(a.revoke.told) == 0 {
		return nil
	}
	all := make([]CertStatus, 0, len(a.revoke.told))
	for _, t := range a.revoke.told[:min(len(a.revoke.told), maxCertificatesKept)] {
		c := CertStatus{
			Subject: a.shown.describe(t.Cert).Subject, Mode: a.revoke.mode(), Source: t.Source, Status: t.Status.String(),
			MustStaple: t.Unstapled, Produced: instant(t.Produced), NextUpdate: instant(t.NextUpdate),
			RevokedAt: instant(t.RevokedAt),
		}
		if t.Status == revocation.Revoked {
			c.Reason = t.Reason.String()
		}
		if t.Exempt {
			c.Status = "exempt"
		}
		for _, f := range t.Failures {
			c.Failures = append(c.Failures, f.String())
		}
		all = append(all, c)
	}
	return all
}

// instant is a time for JSON; nil for none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
