package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
)

// embeddedResolver is a DNS server of this process.
type embeddedResolver struct {
	node *Node

	mu      sync.Mutex
	answers map[string]Answer // by fully qualified name
	udp     *dns.Server
	tcp     *dns.Server
	ended   sync.WaitGroup
}

func newEmbeddedResolver(n *Node) *embeddedResolver {
	return &embeddedResolver{node: n, answers: make(map[string]Answer)}
}

func (r *embeddedResolver) Program() string { return "embedded" }

func (r *embeddedResolver) Start(ctx context.Context) error {
	conn, err := r.node.ListenPacket(ctx, 53)
	if err != nil {
		return fmt.Errorf("resolver: %w", err)
	}
	listener, err := r.node.Listen(ctx, 53)
	if err != nil {
		return errors.Join(fmt.Errorf("resolver: %w", err), conn.Close())
	}
	handler := dns.HandlerFunc(r.serve)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.udp = &dns.Server{PacketConn: conn, Handler: handler}
	r.tcp = &dns.Server{Listener: listener, Handler: handler}
	for _, server := range []*dns.Server{r.udp, r.tcp} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		r.ended.Go(func() { _ = server.ActivateAndServe() }) // its end is Stop, or a lost listener, which every query shows
		<-started
	}
	return nil
}

func (r *embeddedResolver) Stop() error {
	r.mu.Lock()
	udp, tcp := r.udp, r.tcp
	r.udp, r.tcp = nil, nil
	r.mu.Unlock()
	if udp == nil {
		return nil
	}
	err := errors.Join(udp.Shutdown(), tcp.Shutdown())
	r.ended.Wait()
	return err
}

func (r *embeddedResolver) Answer(_ context.Context, name string, answer Answer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[dns.CanonicalName(name)] = answer
	return nil
}

func (r *embeddedResolver) serve(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(query)
	reply.RecursionAvailable = true
	if opt := query.IsEdns0(); opt != nil {
		reply.SetEdns0(1232, false)
	}
	r.mu.Lock()
	answer, known := r.answers[dns.CanonicalName(query.Question[0].Name)]
	r.mu.Unlock()
	switch {
	case answer.Fault == Silence:
		return
	case answer.Fault == ServFail:
		reply.Rcode = dns.RcodeServerFailure
	case answer.Fault == Refused:
		reply.Rcode = dns.RcodeRefused
	case !known || answer.Fault == NXDomain:
		reply.Rcode = dns.RcodeNameError
		reply.Ns = []dns.RR{soa()}
	default:
		reply.Answer = records(query.Question[0], answer)
		if len(reply.Answer) == 0 {
			reply.Ns = []dns.RR{soa()}
		}
	}
	_ = w.WriteMsg(reply) // a client that is gone misses its answer
}

// soa goes with a negative answer (RFC 2308 section 3).
func soa() dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET},
		Ns:  "ns.lab.", Mbox: "hostmaster.lab.", Serial: 1, Refresh: 60, Retry: 60, Expire: 60,
	}
}

func records(question dns.Question, answer Answer) []dns.RR {
	if answer.Fault == NoData {
		return nil
	}
	var rrs []dns.RR
	for _, address := range answer.Addresses {
		header := dns.RR_Header{Name: question.Name, Rrtype: recordType(address), Class: dns.ClassINET, Ttl: 1}
		if header.Rrtype != question.Qtype {
			continue
		}
		if address.Is4() {
			rrs = append(rrs, &dns.A{Hdr: header, A: net.IP(address.AsSlice())})
		} else {
			rrs = append(rrs, &dns.AAAA{Hdr: header, AAAA: net.IP(address.AsSlice())})
		}
	}
	return rrs
}

func recordType(address netip.Addr) uint16 {
	if address.Is4() {
		return dns.TypeA
	}
	return dns.TypeAAAA
}
