package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// maxNamed bounds the addresses of one name.
const maxNamed = 64

// NamedAddress is an address of a name.
type NamedAddress struct {
	Addr netip.Addr
	TTL  time.Duration // for how long the answer may be kept (RFC 2181 section 8); 0: nobody said, as in /etc/hosts
}

// NameAnswer is where a name leads now.
type NameAnswer struct {
	Addresses []NamedAddress
	Fresh     time.Duration // until a resolver may say something else: the lowest TTL; 0 where nobody said
}

// Addresses is every address of a host, A and AAAA, as programs of this host may be told them: those of /etc/hosts, and
// those that each of the servers of resolv.conf answers, by the search list that stands there. The error is that of the
// system's own resolver, where nobody knows an address.
func Addresses(ctx context.Context, host string) (NameAnswer, error) {
	return addressesBy(ctx, ConfPath, 0, host)
}

// addressesBy is Addresses for a resolv.conf at path whose servers listen on port, 0 for the usual one.
func addressesBy(ctx context.Context, path string, port uint16, host string) (NameAnswer, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	var found nameFound
	var asking sync.WaitGroup
	asking.Go(func() { found.askServers(ctx, path, port, host) })
	resolver := net.Resolver{PreferGo: true}
	local, err := resolver.LookupNetIP(ctx, "ip", host)
	asking.Wait()
	for _, address := range local {
		found.add(NamedAddress{Addr: address.Unmap()})
	}
	if len(found.answer.Addresses) == 0 {
		return NameAnswer{}, errors.Join(err, context.Cause(ctx))
	}
	return found.answer, nil
}

// nameFound gathers the answers of several servers.
type nameFound struct {
	mu     sync.Mutex
	answer NameAnswer
}

// add keeps an address; of two that are the same, the longer TTL.
func (f *nameFound) add(a NamedAddress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.answer.Addresses {
		if known := &f.answer.Addresses[i]; known.Addr == a.Addr {
			known.TTL = max(known.TTL, a.TTL)
			return
		}
	}
	if len(f.answer.Addresses) < maxNamed {
		f.answer.Addresses = append(f.answer.Addresses, a)
	}
}

// fresh lowers the time for which the answer is fresh.
func (f *nameFound) fresh(ttl time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answer.Fresh == 0 || ttl < f.answer.Fresh {
		f.answer.Fresh = max(ttl, time.Second)
	}
}

// askServers asks every server for both types, under each name of the search list until one is known.
func (f *nameFound) askServers(ctx context.Context, path string, port uint16, host string) {
	conf, err := ReadConf(path)
	if err != nil {
		return // the system's resolver says so too
	}
	servers := conf.at(port).Exchangers()
	for _, name := range conf.Names(host) {
		if f.askAll(ctx, servers, name) || ctx.Err() != nil {
			return
		}
	}
}

// askAll asks every server for both types of one name, and says whether any knows an address.
func (f *nameFound) askAll(ctx context.Context, servers []*Exchanger, name string) bool {
	var asking sync.WaitGroup
	known := make(chan struct{}, 2*len(servers))
	for _, server := range servers {
		for _, kind := range []string{"A", "AAAA"} {
			asking.Go(func() {
				question, err := NewQuestion(name, kind)
				if err == nil && f.ask(ctx, server, question) {
					known <- struct{}{}
				}
			})
		}
	}
	asking.Wait()
	return len(known) > 0
}

// ask asks one server one question. What the server does not answer, another or the system's resolver may.
func (f *nameFound) ask(ctx context.Context, server *Exchanger, q Question) bool {
	reply, err := server.exchange(ctx, q)
	if err != nil || reply.Msg.Rcode != dns.RcodeSuccess {
		return false
	}
	w := newWay(q)
	w.take(reply.Msg)
	v := w.verdict(reply.Msg)
	ttl := time.Duration(v.TTL) * time.Second
	for _, data := range v.Data {
		if address, err := netip.ParseAddr(data); err == nil {
			f.add(NamedAddress{Addr: address.Unmap(), TTL: ttl})
		}
	}
	if len(v.Data) > 0 {
		f.fresh(ttl)
	}
	return len(v.Data) > 0
}
