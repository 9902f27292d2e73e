package tlsprobe

import (
	"context"
	"crypto/tls"
	"time"
)

// awaitAlert waits for the alert with which a TLS 1.3 server refuses a client without a certificate. The client has
// finished by then: crypto/tls reports the handshake as done, and only the first read tells. Silence until the deadline
// means that the server is content; so does a session ticket, which it sends after it has judged the client.
func (h *handshake) awaitAlert(ctx context.Context) error {
	if h.options.AwaitAlert <= 0 || !h.facts.ClientCertificateRequested || h.facts.Version != tls.VersionTLS13 {
		return nil
	}
	deadline := time.Now().Add(h.options.AwaitAlert)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	if err := h.wire.SetReadDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, h.endWait)
	defer stop()
	h.waiting = true
	n, err := h.conn.Read(make([]byte, 1))
	h.waiting = false
	if n > 0 || isTimeout(err) {
		return h.wire.SetReadDeadline(time.Time{})
	}
	return err
}

// endWait makes a read under way return at once. A read that times out leaves a tls.Conn whole (a write would not).
func (h *handshake) endWait() {
	// A connection that cannot take a deadline any more ends the read with its own error.
	_ = h.wire.SetReadDeadline(time.Unix(1, 0))
}

// tickets is a session cache that keeps nothing, so that no session is resumed; it only hears of the tickets.
type tickets struct{ h *handshake }

// Get never has a session.
func (t tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

// Put is called within Read when a ticket came.
func (t tickets) Put(string, *tls.ClientSessionState) {
	if t.h.waiting {
		t.h.endWait()
	}
}
