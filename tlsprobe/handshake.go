package tlsprobe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"
)

// handshake is one handshake under way.
type handshake struct {
	options Options
	wire    *meter
	conn    *tls.Conn
	facts   Facts
	waiting bool // for the alert after the handshake
}

// Handshake shakes hands over conn and judges the server's certificates. The connection is returned only when the
// verdict is Trusted; in every other case it is closed, and the error is a *CertificateError (not to be trusted) or a
// *HandshakeError (everything else). The facts are there either way, as far as the handshake went. No session is ever
// resumed: a resumed one never shows a renewed certificate. Ending ctx ends the handshake.
func Handshake(ctx context.Context, conn net.Conn, options Options) (Facts, *tls.Conn, error) {
	h := &handshake{options: options, wire: &meter{Conn: conn}}
	config := options.config()
	config.VerifyConnection = h.verify
	config.GetClientCertificate = h.requested
	config.ClientSessionCache = tickets{h}
	h.conn = tls.Client(h.wire, config)

	start := time.Now()
	err := h.conn.HandshakeContext(ctx)
	h.facts.Duration, h.facts.Received = time.Since(start), h.wire.received
	if err == nil {
		h.note(h.conn.ConnectionState())
		err = h.awaitAlert(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return h.facts, nil, h.explain(ctx, err)
	}
	h.wire.open = true
	return h.facts, h.conn, nil
}

func (h *handshake) note(state tls.ConnectionState) {
	h.facts.Version, h.facts.Suite, h.facts.Group = state.Version, state.CipherSuite, state.CurveID
	h.facts.ALPN, h.facts.OCSP = state.NegotiatedProtocol, state.OCSPResponse
	h.facts.Certificates = state.PeerCertificates[:min(len(state.PeerCertificates), MaxCertificates)]
}

// verify is called by crypto/tls in the midst of the handshake; an error ends it with the alert bad_certificate.
func (h *handshake) verify(state tls.ConnectionState) error {
	h.note(state)
	if n := len(state.PeerCertificates); n > MaxCertificates {
		return fmt.Errorf("the server sent %d certificates, more than %d", n, MaxCertificates)
	}
	h.facts.Verdict = Judge(h.facts.Certificates, h.options.judging(state.CipherSuite))
	if !h.facts.Verdict.Trusted() {
		return &CertificateError{Verdict: h.facts.Verdict}
	}
	return nil
}

// requested is called by crypto/tls when the server asks for a client certificate; an empty one declines.
func (h *handshake) requested(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	h.facts.ClientCertificateRequested = true
	return &tls.Certificate{}, nil
}
