package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// SecureError is a connection to a server that could be made, but not secured.
type SecureError struct {
	Err error // what Secure said
}

// Error is what Secure said.
func (e *SecureError) Error() string { return e.Err.Error() }

// Unwrap is what Secure said.
func (e *SecureError) Unwrap() error { return e.Err }

// byTCP asks by TCP (RFC 7766).
func (x *Exchanger) byTCP(ctx context.Context, q Question) (Reply, error) {
	conn, release, err := dialServer(ctx, "tcp", x.server.Address)
	if err != nil {
		return Reply{}, err
	}
	defer release()
	msg, err := askStream(conn, q)
	return Reply{Msg: msg, Transport: TCP}, err
}

// byTLS asks by DNS over TLS (RFC 7858). Each question has a connection of its own: a check wants to see the handshake.
func (x *Exchanger) byTLS(ctx context.Context, q Question) (Reply, error) {
	conn, release, err := dialServer(ctx, "tcp", x.server.Address)
	if err != nil {
		return Reply{}, err
	}
	defer release()
	secured, err := x.server.Secure(ctx, conn.Conn, x.server.serverName(), nil)
	if err != nil {
		return Reply{}, &SecureError{Err: err}
	}
	conn.Conn = secured
	msg, err := askStream(conn, q)
	return Reply{Msg: msg, Transport: TLS}, err
}

// askStream asks over a connection that keeps what it is given in order.
func askStream(conn *dns.Conn, q Question) (*dns.Msg, error) {
	message := q.message()
	if err := conn.WriteMsg(message); err != nil {
		return nil, err
	}
	raw, err := conn.ReadMsgHeader(nil)
	if errors.Is(err, dns.ErrShortRead) {
		return nil, &malformedReply{"fewer octets than a DNS header has"}
	}
	if err != nil {
		return nil, err
	}
	msg, err := parseReply(raw, q, message.Id)
	switch {
	case errors.Is(err, errStrayReply):
		return nil, &malformedReply{"an answer with another message id"}
	case err == nil && msg.Truncated:
		return nil, &malformedReply{"an answer over a connection that says it is truncated"}
	}
	return msg, err
}

// dialServer connects a socket whose reads and writes end with ctx: the library looks at the deadline only, not at a
// cancellation. release must be called.
func dialServer(ctx context.Context, network string, server netip.AddrPort) (*dns.Conn, func(), error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, server.String())
	if err != nil {
		return nil, nil, err
	}
	deadline, _ := ctx.Deadline() // the zero time, no deadline, cannot be: see withDeadline
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	release := func() {
		if stop() {
			_ = conn.Close()
		}
	}
	return &dns.Conn{Conn: conn, UDPSize: readSize}, release, nil
}
