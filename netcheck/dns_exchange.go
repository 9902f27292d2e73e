package netcheck

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
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

// dnsReply is a well-formed answer to the question that was asked.
type dnsReply struct {
	msg       *dns.Msg
	transport string // udp or tcp
	tries     int    // packets sent by UDP
	truncated bool   // the answer by UDP had TC set
}

// malformedReply says why what came back is no answer to the question.
type malformedReply struct{ reason string }

func (e *malformedReply) Error() string { return e.reason }

// errStrayReply is a packet that does not claim to answer the question: a late or a forged one. It is passed
// by.
var errStrayReply = errors.New("not the answer to this question")

// exchange asks one server: by UDP; without EDNS0 when the server does not know it (RFC 6891 section 7); by TCP when
// the answer is truncated. It ends with ctx.
func exchange(ctx context.Context, server netip.AddrPort, q dnsQuestion) (dnsReply, error) {
	reply, err := exchangeUDP(ctx, server, q)
	if err == nil && !q.plain && reply.msg.Rcode == dns.RcodeFormatError && reply.msg.IsEdns0() == nil {
		q.plain = true
		reply, err = exchangeUDP(ctx, server, q)
	}
	if err != nil || !reply.msg.Truncated {
		return reply, err
	}
	msg, err := exchangeTCP(ctx, server, q)
	if err != nil {
		return dnsReply{}, fmt.Errorf("the answer by UDP is truncated, and by TCP: %w", err)
	}
	return dnsReply{msg: msg, transport: "tcp", tries: reply.tries, truncated: true}, nil
}

// exchangeUDP sends the question up to maxUDPTries times, so that one lost packet is no alarm. All tries share one
// socket and one id: a late answer to an earlier one still counts.
func exchangeUDP(ctx context.Context, server netip.AddrPort, q dnsQuestion) (dnsReply, error) {
	conn, release, err := dialDNS(ctx, "udp", server)
	if err != nil {
		return dnsReply{}, err
	}
	defer release()
	message := q.message()
	for try := 1; ; try++ {
		if err := conn.SetDeadline(tryEnd(ctx, try)); err != nil {
			return dnsReply{}, err
		}
		if ctx.Err() != nil {
			return dnsReply{}, ctx.Err()
		}
		if err := conn.WriteMsg(message); err != nil {
			return dnsReply{}, err
		}
		msg, err := readUDP(conn, q, message.Id)
		if err == nil {
			return dnsReply{msg: msg, transport: "udp", tries: try, truncated: msg.Truncated}, nil
		}
		if try == maxUDPTries || !isTimeout(err) {
			return dnsReply{}, err
		}
	}
}

// readUDP reads until the answer comes or the try's deadline passes. A packet that cannot be the answer is passed by,
// for it may be forged and the true one still on its way; if that does not come, the last bad one is the verdict.
func readUDP(conn *dns.Conn, q dnsQuestion, id uint16) (*dns.Msg, error) {
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

func exchangeTCP(ctx context.Context, server netip.AddrPort, q dnsQuestion) (*dns.Msg, error) {
	conn, release, err := dialDNS(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer release()
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
		return nil, &malformedReply{"an answer by TCP that says it is truncated"}
	}
	return msg, err
}

// dialDNS connects a socket whose reads and writes end with ctx: the library looks at the deadline only, not at a
// cancellation. release must be called.
func dialDNS(ctx context.Context, network string, server netip.AddrPort) (*dns.Conn, func(), error) {
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

// parseReply is the message in raw if it is an answer to q with that id. It compares the question, for the library
// accepts any; and the number of records with the header's counts, for the library forgives a message that ends early.
func parseReply(raw []byte, q dnsQuestion, id uint16) (*dns.Msg, error) {
	const headerSize = 12
	if len(raw) < headerSize {
		return nil, &malformedReply{"fewer octets than a DNS header has"}
	}
	if binary.BigEndian.Uint16(raw) != id {
		return nil, errStrayReply
	}
	msg := new(dns.Msg)
	if err := msg.Unpack(raw); err != nil {
		return nil, &malformedReply{"no DNS message: " + cleanText(err.Error(), maxDNSText)}
	}
	if !msg.Response || msg.Opcode != dns.OpcodeQuery {
		return nil, &malformedReply{"a message that is no response to a query"}
	}
	if err := compareQuestion(msg, q); err != nil {
		return nil, err
	}
	return msg, compareCounts(msg, raw)
}

func compareQuestion(msg *dns.Msg, q dnsQuestion) error {
	if len(msg.Question) == 0 && msg.Rcode != dns.RcodeSuccess && msg.Rcode != dns.RcodeNameError {
		return nil // servers that refuse often send the bare header
	}
	if len(msg.Question) != 1 {
		return &malformedReply{fmt.Sprintf("a message with %d questions", len(msg.Question))}
	}
	got := msg.Question[0]
	if !strings.EqualFold(got.Name, q.name) || got.Qtype != q.qtype || got.Qclass != dns.ClassINET {
		return &malformedReply{fmt.Sprintf("an answer to another question: %s %s",
			cleanText(got.Name, maxDNSText), dns.Type(got.Qtype))}
	}
	return nil
}

func compareCounts(msg *dns.Msg, raw []byte) error {
	if msg.Truncated {
		return nil // cut short, and says so
	}
	sections := []struct {
		name string
		got  int
		at   int
	}{{"answer", len(msg.Answer), 6}, {"authority", len(msg.Ns), 8}, {"additional", len(msg.Extra), 10}}
	for _, s := range sections {
		if want := int(binary.BigEndian.Uint16(raw[s.at:])); want != s.got {
			return &malformedReply{fmt.Sprintf("a message cut short: its header promises %d records in the %s "+
				"section, it has %d", want, s.name, s.got)}
		}
	}
	return nil
}
