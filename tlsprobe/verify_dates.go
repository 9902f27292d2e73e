package tlsprobe

import (
	"crypto/x509"
	"fmt"
	"time"
)

// dates judges the validity of every certificate on the path (RFC 5280 section 4.1.2.5: both ends are inclusive).
// Certificates that the server sends beside the path do not matter.
func (j *judgement) dates() {
	for i, cert := range j.path.certs {
		switch {
		case j.Time.After(cert.NotAfter):
			problem := Expired
			if i > 0 {
				problem = ChainExpired
			}
			j.find(problem, Fatal, cert, fmt.Sprintf("%s expired on %s, %s ago",
				j.called(i), day(cert.NotAfter), Span(j.Time.Sub(cert.NotAfter))))
		case j.Time.Before(cert.NotBefore):
			j.find(NotYetValid, Fatal, cert, fmt.Sprintf("%s is not valid before %s, %s from now by this host's clock",
				j.called(i), day(cert.NotBefore), Span(cert.NotBefore.Sub(j.Time))))
		default:
			j.expiring(i, cert)
		}
	}
}

func (j *judgement) expiring(i int, cert *x509.Certificate) {
	left := cert.NotAfter.Sub(j.Time)
	words := fmt.Sprintf("%s expires on %s, in %s", j.called(i), day(cert.NotAfter), Span(left))
	switch {
	case left < j.Fail:
		j.find(Expiring, Grave, cert, words)
	case left < j.Warn:
		j.find(Expiring, Minor, cert, words)
	}
}

// called is how a certificate of the path is called in a sentence.
func (j *judgement) called(i int) string {
	cert := j.path.certs[i]
	switch j.path.role(cert) {
	case RoleServer:
		return "the certificate"
	case RoleRoot:
		return "the root certificate " + quote(SubjectText(cert))
	default:
		return "the intermediate certificate " + quote(SubjectText(cert))
	}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Span is a duration as a person says it: its largest unit alone, rounded, and in seconds at the least.
func Span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d.Round(day)/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d.Round(time.Hour)/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d.Round(time.Minute)/time.Minute)
	default:
		return fmt.Sprintf("%d seconds", d.Round(time.Second)/time.Second)
	}
}
