package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	ednsSize     = 1232 // octets that a server may send by UDP
	readSize     = 4096 // octets that are read by UDP, for servers that send more than they may
	maxUDPTries  = 3    // packets sent before a server counts as silent
	udpTryWindow = time.Second
	maxStray     = 64 // packets that are no answer to the question, read in one try
)

// exchangeUDP sends the question up to maxUDPTries times, so that one lost packet is no alarm. All tries share one
// socket and one id: a late answer to an earlier one still counts.
func exchangeUDP(ctx context.Context, server netip.AddrPort, q Question) (Reply, error) {
	conn, release, err := dialServer(ctx, "udp", server)
	if err != nil {
		return Reply{}, err
	}
	defer release()
	message := q.message()
	for try := 1; ; try++ {
		if err := conn.SetDeadline(tryEnd(ctx, try)); err != nil {
			return Reply{}, err
		}
		if ctx.Err() != nil {
			return Reply{}, ctx.Err()
		}
		if err := conn.WriteMsg(message); err != nil {
			return Reply{}, err
		}
		msg, err := readUDP(conn, q, message.Id)
		if err == nil {
			return Reply{Msg: msg, Tries: try, Truncated: msg.Truncated}, nil
		}
		if try == maxUDPTries || !isTimeout(err) {
			return Reply{}, err
		}
	}
}

// readUDP reads until the answer comes or the try's deadline passes. A packet that cannot be the answer is passed by,
// for it may be forged and the true one still on its way; if that does not come, the last bad one is the verdict.
func readUDP(conn *dns.Conn, q Question, id uint16) (*dns.Msg, error) {
	var bad error
	for range maxStray {
		raw, err := conn.ReadMsgHeader(nil)
		if err != nil && !errors.Is(err, dns.ErrShortRead) {
			if bad != nil {
				return nil, bad
			}
			return nil, err
		}
		msg, err := parseReply(raw, q, id)
		if err == nil {
			return msg, nil
		}
		if !errors.Is(err, errStrayReply) {
			bad = err
		}
	}
	if bad == nil {
		bad = &malformedReply{"a flood of packets with wrong message ids"}
	}
	return nil, bad
}

// tryEnd is when the try gives way to the next: a quarter of what is left, at most a second, and for the last try
// all that is left.
func tryEnd(ctx context.Context, try int) time.Time {
	deadline, _ := ctx.Deadline()
	if try == maxUDPTries {
		return deadline
	}
	return time.Now().Add(min(udpTryWindow, time.Until(deadline)/4))
}

// isTimeout says whether a read or a write met its deadline.
func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
