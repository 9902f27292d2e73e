package netcheck

import "sallyport/tlsprobe"

// TLSEvidence is what a TLS handshake showed. It is the evidence of a check of the kind tls, and stands in that of ldaps.
type TLSEvidence struct{}

// newTLSEvidence writes the facts down.
func newTLSEvidence(facts tlsprobe.Facts) *TLSEvidence { return &TLSEvidence{} }
