package netcheck

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/miekg/dns"
)

const (
	resolvConfPath    = "/etc/resolv.conf"
	maxResolvConf     = 64 << 10 // octets that are read of it
	maxResolvers      = 3        // MAXNS of resolver(5): the C library looks at no more
	resolverPort      = 53
	nameserverExample = `write a line "nameserver ADDRESS" into it, or name servers in the check`
)

// resolvConf is the part of resolv.conf that the checks need.
type resolvConf struct {
	servers []netip.AddrPort
	names   func(name string) []string // the names that a stub resolver would try, in order
}

// errNoResolver says that resolv.conf names nobody to ask.
var errNoResolver = errors.New("no resolver is configured")

// readResolvConf reads the resolvers of a resolv.conf. None, or no such file, is errNoResolver: the C library would
// then ask 127.0.0.1, but a host that means that writes it.
func readResolvConf(path string) (resolvConf, error) {
	f, err := os.Open(path)
	if err != nil {
		return resolvConf{}, fmt.Errorf("%w: %w; %s", errNoResolver, err, nameserverExample)
	}
	defer func() { _ = f.Close() }()
	conf, err := dns.ClientConfigFromReader(io.LimitReader(f, maxResolvConf))
	if err != nil {
		return resolvConf{}, fmt.Errorf("%w: %s: %w", errNoResolver, path, err)
	}
	parsed := resolvConf{names: conf.NameList}
	for _, s := range conf.Servers {
		addr, err := netip.ParseAddr(s)
		if err != nil || len(parsed.servers) == maxResolvers {
			continue
		}
		parsed.servers = append(parsed.servers, netip.AddrPortFrom(addr, resolverPort))
	}
	if len(parsed.servers) == 0 {
		return resolvConf{}, fmt.Errorf("%w: %s has no nameserver; %s", errNoResolver, path, nameserverExample)
	}
	return parsed, nil
}
