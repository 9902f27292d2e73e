package tlsprobe

import (
	"context"
	"crypto/tls"
	"errors"
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
	if options.Like != nil && !options.Like.speaks() {
		_ = conn.Close()
		return Facts{}, nil, &HandshakeError{Failure: FailedCipher, Err: errUnspoken}
	}
	h := &handshake{options: options, wire: &meter{Conn: conn}}
	config := options.config()
	config.VerifyConnection = h.verify
	config.GetClientCertificate = h.requested
	config.ClientSessionCache = tickets{h}
	h.conn = tls.Client(h.wire, config)

	h.wire.start = time.Now()
	err := h.conn.HandshakeContext(ctx)
	h.facts.Duration, h.facts.Received, h.facts.HelloAfter = time.Since(h.wire.start), h.wire.received, h.wire.first
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

var errUnspoken = errors.New("this probe can do nothing of what the client offers that it is to look like")

func (h *handshake) note(state tls.ConnectionState) {
	h.facts.Version, h.facts.Suite, h.facts.Group = state.Version, state.CipherSuite, state.CurveID
	h.facts.ALPNOffered = h.options.ALPN
	h.facts.ALPN, h.facts.OCSP = state.NegotiatedProtocol, state.OCSPResponse
	h.facts.Certificates = state.PeerCertificates[:min(len(state.PeerCertificates), MaxCertificates)]
}

// verify is called by crypto/tls in the midst of the handshake; an error ends it with the alert bad_certificate.
func (h *handshake) verify(state tls.ConnectionState) error {
	h.facts.CertificatesAfter = time.Since(h.wire.start)
	h.note(state)
	if n := len(state.PeerCertificates); n > MaxCertificates {
		return fmt.Errorf("the server sent %d certificates, more than %d", n, MaxCertificates)
	}
	if n := subjects(state.PeerCertificates); n > maxSubjects {
		return fmt.Errorf("the server's certificates have %d names, more than %d", n, maxSubjects)
	}
	h.judge()
	if !h.facts.Verdict.Trusted() {
		return &CertificateError{Verdict: h.facts.Verdict}
	}
	return nil
}

// judge finds the verdict on the certificates that were noted.
func (h *handshake) judge() {
	h.facts.Verdict = Judge(h.facts.Certificates, h.options.judging(h.facts.Suite))
}

// requested is called by crypto/tls when the server asks for a client certificate; an empty one declines.
func (h *handshake) requested(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	h.facts.ClientCertificateRequested = true
	if h.options.ClientCertificate == nil {
		return &tls.Certificate{}, nil
	}
	h.facts.ClientCertificateSent = true
	return h.options.ClientCertificate, nil
}
