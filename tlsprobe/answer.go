package tlsprobe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// maxAnswer is how many bytes of an answer to a Question are read. crypto/tls takes as much of certificates alone.
const maxAnswer = 256 << 10

var errAnswer = errors.New("the server's answer is no ServerHello")

// Ask sends a question over conn, which it closes, and notes what the server chose: version, suite, and group where one
// is named. Up to TLS 1.2 the certificates come in the clear, and are judged as by Handshake; but nobody proved to have
// their keys. The error is a *HandshakeError: a choice that was made is none, whatever the verdict.
func Ask(ctx context.Context, conn net.Conn, question Question, options Options) (Facts, error) {
	h := &handshake{options: options, wire: &meter{Conn: conn}}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	h.wire.start = time.Now()
	err := h.ask(question)
	h.facts.Duration, h.facts.Received, h.facts.HelloAfter = time.Since(h.wire.start), h.wire.received, h.wire.first
	if h.facts.Version != 0 {
		return h.facts, nil // what came after the choice is of no account
	}
	return h.facts, h.explain(ctx, err)
}

func (h *handshake) ask(question Question) error {
	name := strings.TrimSuffix(h.options.config().ServerName, ".") // RFC 6066 section 3
	hello, err := question.record(name, h.options.ALPN)
	if err != nil {
		return err
	}
	if _, err := h.wire.Write(hello); err != nil {
		return err
	}
	r := &answerReader{from: io.LimitReader(h.wire, maxAnswer)}
	for {
		kind, body, err := r.message()
		if err != nil {
			return err
		}
		done, err := h.take(kind, body)
		if done || err != nil {
			return err
		}
	}
}

// take notes one message of the server's. It is done when nothing that can be read follows.
func (h *handshake) take(kind uint8, body cryptobyte.String) (done bool, err error) {
	switch {
	case h.facts.Version == 0 && kind != messageServerHello:
		return true, errAnswer
	case h.facts.Version == 0:
		if err := h.takeServerHello(body); err != nil {
			return true, err
		}
		return h.facts.Version >= tls.VersionTLS13, nil
	case kind == messageCertificate:
		if h.facts.Certificates, err = readCertificates(body); err != nil {
			return true, err
		}
		h.judge()
		return false, nil
	case kind == messageKeyExchange:
		const namedCurve = 3 // RFC 8422 section 5.4; DHE names none, and its first byte is that of a length
		var form uint8
		var group uint16
		named := strings.Contains(SuiteName(h.facts.Suite), "_ECDHE_") && body.ReadUint8(&form) && form == namedCurve
		if named && body.ReadUint16(&group) {
			h.facts.Group = tls.CurveID(group)
		}
		return true, nil
	default:
		return kind == helloDone, nil
	}
}

// takeServerHello reads the choice (RFC 8446 section 4.1.3); a HelloRetryRequest is one, too.
func (h *handshake) takeServerHello(body cryptobyte.String) error {
	var version, suite uint16
	var session, extensions cryptobyte.String
	if !body.ReadUint16(&version) || !body.Skip(32) || !body.ReadUint8LengthPrefixed(&session) ||
		!body.ReadUint16(&suite) || !body.Skip(1) {
		return errAnswer
	}
	if !body.Empty() && !body.ReadUint16LengthPrefixed(&extensions) {
		return errAnswer
	}
	var group uint16
	for !extensions.Empty() {
		var kind uint16
		var content cryptobyte.String
		if !extensions.ReadUint16(&kind) || !extensions.ReadUint16LengthPrefixed(&content) {
			return errAnswer
		}
		switch kind {
		case extensionVersions:
			content.ReadUint16(&version)
		case extensionKeyShare:
			content.ReadUint16(&group)
		}
	}
	if version>>8 != 3 {
		return errAnswer
	}
	h.facts.Version, h.facts.Suite, h.facts.Group = version, suite, tls.CurveID(group)
	return nil
}

// readCertificates reads the message of TLS 1.2 and before (RFC 5246 section 7.4.2), at most MaxCertificates of it.
func readCertificates(body cryptobyte.String) ([]*x509.Certificate, error) {
	var all cryptobyte.String
	if !body.ReadUint24LengthPrefixed(&all) {
		return nil, errAnswer
	}
	var certs []*x509.Certificate
	for !all.Empty() && len(certs) < MaxCertificates {
		var der cryptobyte.String
		if !all.ReadUint24LengthPrefixed(&der) {
			return nil, errAnswer
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("the server's certificate: %w", err)
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// answerReader reads handshake messages out of records (RFC 8446 section 5.1).
type answerReader struct {
	from io.Reader
	left []byte
}

// alertError is an alert in an answer.
type alertError Alert

func (e alertError) Error() string { return "alert " + Alert(e).String() }

func (r *answerReader) message() (kind uint8, body cryptobyte.String, err error) {
	for {
		s := cryptobyte.String(r.left)
		if s.ReadUint8(&kind) && s.ReadUint24LengthPrefixed(&body) {
			r.left = s
			return kind, body, nil
		}
		if err := r.record(); err != nil {
			return 0, nil, err
		}
	}
}

// record adds the content of the next record.
func (r *answerReader) record() error {
	header := make([]byte, 5)
	if _, err := io.ReadFull(r.from, header); err != nil {
		return err
	}
	length := int(header[3])<<8 | int(header[4])
	if header[0] != recordHandshake && header[0] != recordAlert || header[1] != 3 || length == 0 || length > 1<<14 {
		return errAnswer
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(r.from, content); err != nil {
		return err
	}
	if header[0] == recordHandshake {
		r.left = append(r.left, content...)
		return nil
	}
	const warning = 1 // level; unrecognized_name comes as one, and the handshake goes on (RFC 6066 section 3)
	if len(content) != 2 {
		return errAnswer
	}
	if content[0] == warning && content[1] != 0 {
		return nil
	}
	return alertError(content[1])
}
