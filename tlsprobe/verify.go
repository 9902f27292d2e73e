package tlsprobe

import (
	"crypto/x509"
	"time"
)

// VerifyOptions are against what a chain is judged.
type VerifyOptions struct {
	Name       string        // a DNS name or an IP address that the certificate must be for
	Roots      *Roots        // nil trusts none
	Time       time.Time     // the instant of the judgement
	Warn, Fail time.Duration // how long before its end a certificate is Minor, Grave; zero is never
}

// Verify judges a chain as the server sent it, its own certificate first, and lists every problem, not the first.
func Verify(certs []*x509.Certificate, o VerifyOptions) Verdict {
	return Verdict{}
}
