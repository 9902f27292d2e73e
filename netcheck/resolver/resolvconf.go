package resolver

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/miekg/dns"
)

const (
	// ConfPath is where a host's resolvers stand (resolver(5)).
	ConfPath = "/etc/resolv.conf"

	maxResolvConf     = 64 << 10 // octets that are read of it
	maxResolvers      = 3        // MAXNS of resolver(5): the C library looks at no more
	maxSearched       = 8        // names that are tried: the list of older C libraries has six domains (MAXDNSRCH)
	nameserverExample = `write a line "nameserver ADDRESS" into it, or name servers in the check`
)

// Conf is what a resolv.conf says: whom to ask, and under which names.
type Conf struct {
	Servers []netip.AddrPort
	Search  []string                   // the domains of its search list, or its domain
	Names   func(name string) []string // the names that a stub resolver would try, in order
}

// ErrNoResolver says that resolv.conf names nobody to ask.
var ErrNoResolver = errors.New("no resolver is configured")

// ReadConf reads a resolv.conf. None in it, or no such file, is ErrNoResolver: the C library would then ask 127.0.0.1,
// but a host that means that writes it.
func ReadConf(path string) (Conf, error) {
	f, err := os.Open(path)
	if err != nil {
		return Conf{}, fmt.Errorf("%w: %w; %s", ErrNoResolver, err, nameserverExample)
	}
	defer func() { _ = f.Close() }()
	return parseConf(f, path)
}

// parseConf reads the beginning of a resolv.conf from where it stands; path is for the errors.
func parseConf(source io.Reader, path string) (Conf, error) {
	conf, err := dns.ClientConfigFromReader(io.LimitReader(source, maxResolvConf))
	if err != nil {
		return Conf{}, fmt.Errorf("%w: %s: %w", ErrNoResolver, path, err)
	}
	parsed := Conf{Names: conf.NameList, Search: conf.Search}
	for _, s := range conf.Servers {
		addr, err := netip.ParseAddr(s)
		if err != nil || len(parsed.Servers) == maxResolvers {
			continue
		}
		parsed.Servers = append(parsed.Servers, netip.AddrPortFrom(addr, Port))
	}
	if len(parsed.Servers) == 0 {
		return Conf{}, fmt.Errorf("%w: %s has no nameserver; %s", ErrNoResolver, path, nameserverExample)
	}
	return parsed, nil
}

// Questions are q about each name that a stub resolver makes of name, in order; q alone where it makes none.
func (c Conf) Questions(q Question, name string) []Question {
	var all []Question
	for _, tried := range c.Names(name) {
		if _, ok := dns.IsDomainName(tried); ok && len(all) < maxSearched {
			all = append(all, q.of(dns.CanonicalName(tried)))
		}
	}
	if len(all) == 0 {
		return []Question{q}
	}
	return all
}

// Exchangers are those of its servers.
func (c Conf) Exchangers() []*Exchanger {
	all := make([]*Exchanger, 0, len(c.Servers))
	for _, address := range c.Servers {
		all = append(all, NewExchanger(At(address)))
	}
	return all
}

// at is the same with servers that listen on another port; 0 leaves it.
func (c Conf) at(port uint16) Conf {
	if port == 0 {
		return c
	}
	moved := make([]netip.AddrPort, len(c.Servers))
	for i, s := range c.Servers {
		moved[i] = netip.AddrPortFrom(s.Addr(), port)
	}
	c.Servers = moved
	return c
}
