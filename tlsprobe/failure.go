package tlsprobe

import "fmt"

// Failure is the way in which a handshake failed.
type Failure uint8

const (
	FailedOtherwise         Failure = iota // none of the ways below
	FailedTimeout                          // the deadline passed in silence, or between two halves of an answer
	FailedCanceled                         // the caller gave up; the server is not to blame
	FailedClosed                           // the server closed the connection in an orderly way
	FailedReset                            // the connection was reset
	FailedNotTLS                           // the first bytes are no TLS record; Said holds them
	FailedVersion                          // no common protocol version
	FailedCipher                           // no common suite or group
	FailedAlert                            // the server sent an alert; Alert holds it
	FailedNoCertificate                    // the server ended it for want of a client certificate
	FailedClientCertificate                // the server does not accept the client certificate that it was shown
	FailedMalformed                        // the server broke the protocol, or sent more than it may
)

// String is the failure in words.
func (f Failure) String() string {
	words := [...]string{
		FailedOtherwise:         "the TLS handshake failed",
		FailedTimeout:           "no answer in the TLS handshake",
		FailedCanceled:          "the TLS handshake was given up",
		FailedClosed:            "the server closed the connection in the TLS handshake",
		FailedReset:             "the connection was reset in the TLS handshake",
		FailedNotTLS:            "what answered does not speak TLS",
		FailedVersion:           "no common TLS version",
		FailedCipher:            "no common cipher suite or group",
		FailedAlert:             "the server ended the TLS handshake with an alert",
		FailedNoCertificate:     "the server asks for a client certificate and does not do without one",
		FailedClientCertificate: "the server does not accept our client certificate",
		FailedMalformed:         "the server broke the TLS protocol",
	}
	if int(f) < len(words) {
		return words[f]
	}
	return words[FailedOtherwise]
}

// plain says that the error below adds nothing but a library's jargon ("EOF", "context deadline exceeded").
func (f Failure) plain() bool {
	return f == FailedTimeout || f == FailedCanceled || f == FailedClosed || f == FailedReset
}

// HandshakeError is a handshake that failed before its certificates could be judged, or after they were found good.
type HandshakeError struct {
	Failure  Failure
	Alert    Alert  // the alert that the server sent; 0 (close_notify) when it sent none
	Said     []byte // the first bytes of the server that are no TLS, at most 64; as they came, so escape them
	Received int64  // bytes that the server had sent
	Err      error  // the cause below, nil for none
}

// Error is the failure in words, with the alert's name, the escaped words of a server without TLS, or the cause where
// it says more than the failure does.
func (e *HandshakeError) Error() string {
	text := e.Failure.String()
	if e.Failure == FailedTimeout && e.Received > 0 {
		text = "the server fell silent in the middle of the TLS handshake"
	}
	if e.Alert != 0 {
		text += fmt.Sprintf(": alert %s", e.Alert)
		if meaning := e.Alert.meaning(); meaning != "" {
			text += ", " + meaning
		}
	}
	if len(e.Said) > 0 {
		if protocol := spoken(e.Said); protocol != "" {
			text += " but " + protocol
		}
		text += ": it said " + quote(string(e.Said))
	}
	if e.Err != nil && e.Alert == 0 && len(e.Said) == 0 && !e.Failure.plain() {
		text += ": " + clean(e.Err.Error())
	}
	return text
}

// Unwrap is the cause below.
func (e *HandshakeError) Unwrap() error { return e.Err }

// CertificateError is a handshake whose certificates are not to be trusted. The connection is closed.
type CertificateError struct {
	Verdict Verdict
}

// Error is the most urgent problem in words.
func (e *CertificateError) Error() string {
	if head, ok := e.Verdict.Headline(); ok {
		return head.Words
	}
	return "the certificate was not judged"
}
