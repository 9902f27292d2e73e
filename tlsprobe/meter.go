package tlsprobe

import (
	"errors"
	"net"
	"time"
)

// Bounds on what one server may make a handshake take in. Real ones send 2 to 6 KiB, and those that name each authority
// whose client certificates they take up to 64 more. crypto/tls itself ends a certificate message over 256 KiB, and makes
// 15 MiB of one that is filled with links, so that sixteen such servers at once would fill the memory of a small host.
const (
	MaxHandshakeBytes = 72 << 10
	MaxCertificates   = 32
	maxSubjects       = 10_000 // names of all certificates: authorities that constrain names cost time for each of them
	maxSaid           = 64
)

var errTooMuch = errors.New("the server sent more than 72 KiB in the TLS handshake")

// meter counts what a server sends, keeps its first bytes and ends a handshake that takes in too much. It is used by
// one goroutine at a time, as the handshake is.
type meter struct {
	net.Conn
	start    time.Time     // when the handshake began
	first    time.Duration // from the start to the first byte; zero before it
	received int64
	said     []byte
	open     bool // the handshake is done, there is no limit any more
}

// Read reads within the limit of the handshake.
func (m *meter) Read(p []byte) (int, error) {
	if m.open {
		return m.Conn.Read(p)
	}
	left := MaxHandshakeBytes - m.received
	if left <= 0 {
		return 0, errTooMuch
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := m.Conn.Read(p)
	if m.received == 0 && n > 0 {
		m.first = time.Since(m.start)
	}
	m.received += int64(n)
	if room := maxSaid - len(m.said); room > 0 {
		m.said = append(m.said, p[:min(n, room)]...)
	}
	return n, err
}

// foreign says that the first byte is that of no record which may open a handshake: handshake (22) or alert (21), RFC
// 8446 section 5.1.
func (m *meter) foreign() bool {
	return len(m.said) > 0 && m.said[0] != 22 && m.said[0] != 21
}
