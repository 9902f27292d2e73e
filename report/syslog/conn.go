package syslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// framing puts one record as the transport wants it on the wire.
type framing func(record []byte) []byte

func asDatagram(record []byte) []byte { return record }

// octetCounted is MSG-LEN SP SYSLOG-MSG (RFC 6587 section 3.4.1, RFC 5425 section 4.3).
func octetCounted(record []byte) []byte {
	b := append(make([]byte, 0, len(record)+6), strconv.Itoa(len(record))...)
	return append(append(b, ' '), record...)
}

func nulTerminated(record []byte) []byte {
	return append(append(make([]byte, 0, len(record)+1), record...), 0)
}

// conn is one connection to a server.
type conn struct {
	net.Conn
	frame  framing
	gone   chan struct{} // closed when the server has ended a stream; nil for datagrams
	err    error         // why; to be read after gone is closed
	proven bool          // the server is known to be there
}

// newDatagrams makes a conn of a socket that keeps messages apart. A connection to a unix socket proves that someone
// listens; one of UDP proves nothing.
func newDatagrams(c net.Conn) *conn {
	return &conn{Conn: c, frame: asDatagram, proven: c.LocalAddr().Network() != "udp"}
}

// newStream makes a conn of a stream. A log server has nothing to say, and it is read all the same: so it is known at
// once that the server went, and not only after the next record was written into a dead stream.
func newStream(c net.Conn, frame framing) *conn {
	k := &conn{Conn: c, frame: frame, gone: make(chan struct{}), proven: true}
	go k.listen()
	return k
}

// maxReply bounds what a server may send before its connection is given up, in bytes.
const maxReply = 64 << 10

var (
	errGone   = errors.New("the server closed the connection")
	errChatty = errors.New("the server sends data: it does not seem to be a syslog server")
)

// listen ends when the stream does; Close waits for it.
func (c *conn) listen() {
	defer close(c.gone)
	switch _, err := io.CopyN(io.Discard, c.Conn, maxReply); {
	case err == nil:
		c.err = errChatty
	case errors.Is(err, io.EOF):
		c.err = errGone
	default:
		c.err = err
	}
}

// write sends one record whole, or fails, for the latest when the deadline set on the connection has passed.
func (c *conn) write(record []byte) error {
	select {
	case <-c.gone:
		return c.err
	default:
	}
	if _, err := c.Write(c.frame(record)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// refusedWithin is how long a host takes at most to say that nobody listens on its UDP port, or to end a stream that it
// has no use for, on networks where syslog has a place.
const refusedWithin = 50 * time.Millisecond

// refused waits whether an ICMP error answers the last UDP datagram, so that one that nobody received is sent again.
// Other transports have nothing to wait for.
func (c *conn) refused() error {
	if c.LocalAddr().Network() != "udp" {
		return nil
	}
	if err := c.SetReadDeadline(time.Now().Add(refusedWithin)); err != nil {
		return err
	}
	var b [1]byte
	if _, err := c.Read(b[:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("send: %w", err)
	}
	c.proven = true
	return nil
}

// settled waits whether the server ends a new stream at once, as a balancer without a backend does: what is written
// before the end is noticed would be lost, and not be counted. Datagrams have nothing to wait for.
func (c *conn) settled(ctx context.Context) error {
	if c.gone == nil {
		return nil
	}
	timer := time.NewTimer(refusedWithin)
	defer timer.Stop()
	select {
	case <-c.gone:
		return fmt.Errorf("connect: %w", c.err)
	case <-ctx.Done():
		return nil
	case <-timer.C:
		return nil
	}
}

// closeWithin bounds the goodbye of a TLS connection, which its peer may not be there to hear.
const closeWithin = 200 * time.Millisecond

// Close closes the connection and waits for its reader.
func (c *conn) Close() error {
	_ = c.SetWriteDeadline(time.Now().Add(closeWithin))
	err := c.Conn.Close()
	if c.gone != nil {
		<-c.gone
	}
	return err
}
