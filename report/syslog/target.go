package syslog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
)

// Target is one syslog server.
type Target struct {
	Network    string         // unix, udp, tcp or tls
	Address    string         // a socket's path, or host:port
	Roots      *x509.CertPool // for tls; nil: the system's
	ServerName string         // for tls; the host of Address unless set
	Form       Form
}

// Form is how a record is written.
type Form uint8

const (
	// FormAuto is FormLocal for the sockets that local log daemons own by convention (/dev/log, /var/run/log, those
	// below /run/systemd/journal) and FormRFC5424 for everything else.
	FormAuto Form = iota
	// FormRFC5424 is RFC 5424.
	FormRFC5424
	// FormLocal is that of syslog(3), <PRI>Mmm dd hh:mm:ss tag[pid]: text, with the structured data at the end of the
	// text. It is the only one that systemd-journald parses, and rsyslog's imuxsock unless useSpecialParser is off.
	FormLocal
)

// String is the target as the configuration writes it.
func (t Target) String() string { return t.Network + "://" + t.Address }

// Limits of a message's size, in bytes.
const (
	// maxDatagram is what every receiver must take over IPv6 (RFC 5426 section 3.2), and fits any path without
	// fragments.
	maxDatagram = 1180
	// maxStream is what receivers should take (RFC 5425 section 4.3.1) and what rsyslog takes by default; its unix
	// input too.
	maxStream = 8192
)

func (t Target) limit() int {
	if t.Network == "udp" {
		return maxDatagram
	}
	return maxStream
}

// isLocal says whether the records of this target have the form of syslog(3).
func (t Target) isLocal() bool {
	if t.Form != FormAuto {
		return t.Form == FormLocal
	}
	path := filepath.Clean(t.Address)
	return t.Network == "unix" && (path == "/dev/log" || path == "/var/run/log" || path == "/run/log" ||
		strings.HasPrefix(path, "/run/systemd/journal/"))
}

// format writes a record as the target wants it.
func (t Target) format(rec record, src source) []byte {
	if t.isLocal() {
		return rec.local(src, t.limit())
	}
	return rec.rfc5424(src, t.limit())
}

// dial connects to the target. The caller closes what it gets.
func (t Target) dial(ctx context.Context) (*conn, error) {
	var d net.Dialer
	var c net.Conn
	var err error
	stream := true
	switch t.Network {
	case "unix":
		c, err = d.DialContext(ctx, "unixgram", t.Address)
		stream = errors.Is(err, syscall.EPROTOTYPE) // a stream socket lives there
		if stream {
			c, err = d.DialContext(ctx, "unix", t.Address)
		}
	case "udp":
		c, err = d.DialContext(ctx, "udp", t.Address)
		stream = false
	case "tcp":
		c, err = d.DialContext(ctx, "tcp", t.Address)
	case "tls":
		c, err = (&tls.Dialer{Config: t.tlsConfig()}).DialContext(ctx, "tcp", t.Address)
	default:
		err = fmt.Errorf("network %q: want unix, udp, tcp or tls", t.Network)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("connect: %w", err)
	case stream:
		return newStream(c, t.streamFraming()), nil
	default:
		return newDatagrams(c), nil
	}
}

// tlsConfig verifies the server's certificate (RFC 5425 section 4.2.1, certification path validation).
func (t Target) tlsConfig() *tls.Config {
	return &tls.Config{RootCAs: t.Roots, ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
}

// streamFraming is how records are told apart in a stream: counted, or ended by NUL as syslog(3) does on a stream
// socket. No record holds a NUL: Printable escapes it.
func (t Target) streamFraming() framing {
	if t.isLocal() {
		return nulTerminated
	}
	return octetCounted
}
