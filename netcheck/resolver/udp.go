package resolver

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
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
	closed := func() bool { return false }
	defer func() { closed() }()
	message, heard := q.message(), false
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
		msg, stray, err := readUDP(conn, q, message.Id)
		heard = heard || stray
		if err == nil {
			return Reply{Msg: msg, Tries: try, Truncated: msg.Truncated}, nil
		}
		switch {
		case !isTimeout(err) && !errors.Is(ctx.Err(), context.DeadlineExceeded): // at which the socket is closed, too
			return Reply{}, err
		case try == 1:
			closed = knock(ctx, server)
		case try < maxUDPTries:
		case closed() && !heard:
			return Reply{}, errClosed
		default:
			return Reply{}, err
		}
	}
}

// errClosed says that a server is silent by UDP, and that its port is closed to TCP.
var errClosed = errors.New("no answer by UDP, and TCP is refused")

// knock asks meanwhile whether the server's port takes TCP, as every name server's does (RFC 7766 section 5); the function
// that it returns ends that and says whether it was refused. A closed port answers packets by ICMP, but of that a kernel
// sends little to one peer (Linux: icmp_ratelimit, one message a second after some six), so that it may seem silent. A
// reset is always sent.
func knock(ctx context.Context, server netip.AddrPort) (closed func() bool) {
	ctx, cancel := context.WithCancel(ctx)
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, release, failed := dialServer(ctx, "tcp", server)
		if err = failed; failed == nil {
			release()
		}
	}()
	return func() bool {
		cancel()
		<-ended
		return errors.Is(err, syscall.ECONNREFUSED)
	}
}

// readUDP reads until the answer comes or the try's deadline passes. A packet that cannot be the answer is passed by,
// for it may be forged and the true one still on its way; if that does not come, the last bad one is the verdict. Stray
// says that there was one that did not even claim to be: somebody is there.
func readUDP(conn *dns.Conn, q Question, id uint16) (msg *dns.Msg, stray bool, err error) {
	var bad error
	for range maxStray {
		raw, err := conn.ReadMsgHeader(nil)
		if err != nil && !errors.Is(err, dns.ErrShortRead) {
			return nil, stray, cmp.Or(bad, err)
		}
		msg, err := parseReply(raw, q, id)
		if err == nil {
			return msg, stray, nil
		}
		if errors.Is(err, errStrayReply) {
			stray = true
		} else {
			bad = err
		}
	}
	return nil, stray, cmp.Or[error](bad, &malformedReply{"a flood of packets with wrong message ids"})
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
