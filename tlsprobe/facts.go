package tlsprobe

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// Facts are what one handshake showed, as far as it went: a handshake that fails at its certificates still has them.
type Facts struct {
	Version      uint16              // as in tls.VersionName; 0 when none was agreed on
	Suite        uint16              // as in tls.CipherSuiteName
	Group        tls.CurveID         // of the key exchange; 0 when it had none
	ALPN         string              // the application protocol agreed on
	Certificates []*x509.Certificate // as the server sent them, its own first; at most MaxCertificates
	OCSP         []byte              // the stapled OCSP response (RFC 6066 section 8)

	// ClientCertificateRequested says that the server asked for a client certificate. Asking is not insisting: Active
	// Directory asks everybody.
	ClientCertificateRequested bool
	ClientCertificateSent      bool     // one was shown to it
	ALPNOffered                []string // what the server may have passed over

	Verdict  Verdict       // of the certificates; the zero value when there were none
	Duration time.Duration // from the ClientHello to the end of the handshake, without a wait for an alert
	// HelloAfter and CertificatesAfter are when, within Duration, the server's first byte was there and its certificates
	// were; zero where it did not get that far.
	HelloAfter, CertificatesAfter time.Duration
	Received                      int64 // bytes that the server sent in the handshake
}
