package tlsprobe

import "crypto/x509"

// Roots are trusted authorities, parsed once and shared by every probe.
type Roots struct {
	pool *x509.CertPool
}
