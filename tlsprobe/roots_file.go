package tlsprobe

import (
	"crypto/sha256"
	"crypto/x509"
)

// File is a PEM file that this authority was read from and that holds nothing else, so that it can be handed to another
// program; empty where there is none.
func (r *Roots) File(authority *x509.Certificate) string {
	if r == nil {
		return ""
	}
	return r.files[sha256.Sum256(authority.Raw)]
}

// alone notes that a file holds one authority and nothing else.
func (r *Roots) alone(authority *x509.Certificate, path string) {
	if r.files == nil {
		r.files = map[[sha256.Size]byte]string{}
	}
	r.files[sha256.Sum256(authority.Raw)] = path
}
