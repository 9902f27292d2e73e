package resolver

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/miekg/dns"
)

// Exchanger asks one server. It is safe for concurrent use. Make one with NewExchanger.
type Exchanger struct {
	server Server
	name   string // of the server, for people: kept, for each run shows it
	https  *http.Transport
}

// NewExchanger makes an exchanger; nothing is sent yet.
func NewExchanger(server Server) *Exchanger {
	x := &Exchanger{server: server, name: server.String()}
	if server.Transport == HTTPS {
		x.https = newHTTPS(server)
	}
	return x
}

// Exchangers is one for each of the servers.
func Exchangers(servers []Server) []*Exchanger {
	all := make([]*Exchanger, 0, len(servers))
	for _, s := range servers {
		all = append(all, NewExchanger(s))
	}
	return all
}

// String is the server's name.
func (x *Exchanger) String() string { return x.name }

// Destination is where the questions are sent, and whether by UDP; not valid where a name leads there.
func (x *Exchanger) Destination() (to netip.AddrPort, udp bool) {
	return x.server.Address, x.server.Transport == UDP
}

// Ask asks for the records of a name with their signatures, and without the server's own validation: DO and CD are set
// (RFC 4035 sections 3.2.1 and 3.2.2), for who validates himself. The message is a well-formed answer to the question,
// whatever its rcode; the error is an *Error. It ends with ctx.
func (x *Exchanger) Ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	q := Question{Name: dns.CanonicalName(name), Type: qtype, CheckingDisabled: true, Signatures: true}
	reply, err := x.exchange(ctx, q)
	if err != nil {
		failed := transportError(ctx, err)
		failed.Name, failed.Type, failed.Server = q.String(), q.TypeName(), x.name
		return nil, failed
	}
	return reply.Msg, nil
}

// exchange asks the server by its transport. It ends with ctx, which must have a deadline.
func (x *Exchanger) exchange(ctx context.Context, q Question) (Reply, error) {
	reply, err := x.once(ctx, q)
	if err == nil && !q.plain && reply.Msg.Rcode == dns.RcodeFormatError && reply.Msg.IsEdns0() == nil {
		q.plain = true // the server does not know EDNS0 (RFC 6891 section 7)
		reply, err = x.once(ctx, q)
	}
	if err != nil || !reply.Truncated {
		return reply, err
	}
	whole, err := x.byTCP(ctx, q)
	if err != nil {
		return Reply{}, fmt.Errorf("the answer by UDP is truncated, and by TCP: %w", err)
	}
	whole.Tries, whole.Truncated = reply.Tries, true
	return whole, nil
}

func (x *Exchanger) once(ctx context.Context, q Question) (Reply, error) {
	switch x.server.Transport {
	case UDP:
		return exchangeUDP(ctx, x.server.Address, q)
	case TCP:
		return x.byTCP(ctx, q)
	case TLS:
		return x.byTLS(ctx, q)
	case HTTPS:
		return x.byHTTPS(ctx, q)
	default:
		return Reply{}, fmt.Errorf("%s cannot be asked: it has no known transport", x.name)
	}
}
