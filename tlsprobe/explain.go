package tlsprobe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
)

// explain turns an error of crypto/tls or of the connection into a *CertificateError or a *HandshakeError.
func (h *handshake) explain(ctx context.Context, err error) error {
	if bad, ok := errors.AsType[*CertificateError](err); ok {
		return bad
	}
	e := &HandshakeError{Received: h.wire.received, Err: err}
	alert, alerted := remoteAlert(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Failure = FailedCanceled
	case alerted:
		e.Alert, e.Failure = alert, h.byAlert(alert)
	case h.wire.foreign():
		e.Failure, e.Said = FailedNotTLS, h.wire.said
	default:
		e.Failure = h.byError(err)
	}
	return e
}

// byAlert is the failure that an alert stands for: handshake_failure before the server's hello is RFC 8446's word for
// no common parameters; any of the certificate alerts after a certificate request is about the client's.
func (h *handshake) byAlert(alert Alert) Failure {
	if h.facts.ClientCertificateRequested && refusesClient(alert) {
		return h.facts.refused()
	}
	switch alert {
	case alertProtocolVersion:
		return FailedVersion
	case alertInsufficientSecurity:
		return FailedCipher
	case alertHandshakeFailure:
		if h.facts.Version == 0 {
			return FailedCipher
		}
	case alertCertificateRequired:
		return FailedNoCertificate
	}
	return FailedAlert
}

func refusesClient(alert Alert) bool {
	switch alert {
	case alertHandshakeFailure, alertNoCertificate, alertBadCertificate, alertUnsupportedCertificate,
		alertCertificateRevoked, alertCertificateExpired, alertCertificateUnknown, alertUnknownCA, alertAccessDenied,
		alertCertificateRequired:
		return true
	}
	return false
}

// refused is the failure of a client that the server turned away for its certificate, or for want of one.
func (f Facts) refused() Failure {
	if f.ClientCertificateSent {
		return FailedClientCertificate
	}
	return FailedNoCertificate
}

func (h *handshake) byError(err error) Failure {
	ended := isReset(err) || isClosed(err)
	switch {
	case isTimeout(err):
		return FailedTimeout
	case ended && h.facts.ClientCertificateRequested:
		return h.facts.refused() // some servers say it by hanging up
	case isReset(err):
		return FailedReset
	case isClosed(err):
		return FailedClosed
	case isSystem(err):
		return FailedOtherwise
	case h.facts.ClientCertificateSent && strings.Contains(err.Error(), "certificate's signature algorithms"):
		return FailedClientCertificate // crypto/tls: the server takes none that the key can make
	default:
		return byText(err.Error())
	}
}

// byText reads the few errors of crypto/tls that have no type. A server that picks what was not offered has nothing in
// common with us; every other complaint of the library is of a broken protocol.
func byText(text string) Failure {
	switch {
	case strings.Contains(text, "unsupported protocol version"):
		return FailedVersion
	case strings.Contains(text, "unconfigured cipher suite"), strings.Contains(text, "selected unsupported group"),
		strings.Contains(text, "selected unsupported curve"):
		return FailedCipher
	default:
		return FailedMalformed
	}
}

// AfterHandshake explains the error of a caller's first read. A TLS 1.3 server that insists on a client certificate
// says so only then, and so does one that does not accept ours; for such a server the error becomes a *HandshakeError, any
// other error is returned as it is.
func (f Facts) AfterHandshake(err error) error {
	if err == nil || !f.ClientCertificateRequested {
		return err
	}
	alert, alerted := remoteAlert(err)
	if isClosed(err) { // without an alert, as slapd does with GnuTLS 3.7
		err = fmt.Errorf("it hung up at the first request: %w", err)
		return &HandshakeError{Failure: f.refused(), Received: f.Received, Err: err}
	}
	if (alerted && refusesClient(alert)) || isReset(err) {
		return &HandshakeError{Failure: f.refused(), Alert: alert, Received: f.Received, Err: err}
	}
	return err
}

// remoteAlert is the alert in an error. crypto/tls reports it as a *net.OpError around an unexported number.
func remoteAlert(err error) (Alert, bool) {
	if alert, ok := errors.AsType[alertError](err); ok {
		return Alert(alert), true
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" {
		return 0, false
	}
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		return Alert(v.Uint()), true
	}
	return 0, false
}

func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

// isSystem says that the system call failed for a reason of this host or of the way, such as EHOSTUNREACH: the server
// broke no protocol.
func isSystem(err error) bool {
	_, ok := errors.AsType[syscall.Errno](err)
	return ok
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}
