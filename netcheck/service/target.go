package service

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Target is a server that a check asks, which the service is taken to use too.
type Target struct {
	Check    string // the name of the check
	Host     string // a name or an address
	Port     uint16
	StartTLS bool // encryption begins within the connection: its port alone says nothing
	Proxy    bool // an HTTP proxy, through which encrypted connections are made
}

// maxAddresses bounds the addresses that are known by name.
const maxAddresses = 4096

// Addresses knows which hosts addresses belong to, as the checks have resolved them. It is safe for concurrent use; the
// zero value knows nothing.
type Addresses struct {
	mu   sync.Mutex
	host map[netip.Addr]string
}

// Learn remembers where a host leads. When too many are known, all are forgotten: checks tell theirs at each run.
func (a *Addresses) Learn(host string, addresses []netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.host == nil || len(a.host)+len(addresses) > maxAddresses {
		a.host = make(map[netip.Addr]string)
	}
	for _, address := range addresses[:min(len(addresses), maxAddresses)] {
		a.host[address.Unmap().WithZone("")] = host
	}
}

// of is the host that an address belongs to; empty where none is known.
func (a *Addresses) of(address netip.Addr) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.host[address]
}

// knowledge is what tells where a connection leads.
type knowledge struct {
	targets   []Target
	addresses *Addresses
}

// place is where a connection leads, in words: the check that asks there, the name, the address.
func (k knowledge) place(remote netip.AddrPort) string {
	host := k.host(remote.Addr())
	where := remote.String()
	if host != "" && host != remote.Addr().String() {
		where = fmt.Sprintf("%s (%s)", hostPort(host, remote.Port()), remote)
	}
	if t, ok := k.target(remote); ok && t.Proxy {
		return "the proxy of the check " + t.Check + ", " + where
	} else if ok {
		return "the server of the check " + t.Check + ", " + where
	}
	return where
}

func hostPort(host string, port uint16) string { return host + ":" + strconv.Itoa(int(port)) }

// host is the name of an address; empty where no check has it.
func (k knowledge) host(address netip.Addr) string {
	if host := k.addresses.of(address); host != "" {
		return host
	}
	for _, t := range k.targets {
		if literal, err := netip.ParseAddr(t.Host); err == nil && literal.Unmap() == address {
			return t.Host
		}
	}
	return ""
}

// target is the check that asks the server to which a connection leads.
func (k knowledge) target(remote netip.AddrPort) (Target, bool) {
	host := k.host(remote.Addr())
	at := slices.IndexFunc(k.targets, func(t Target) bool {
		return host != "" && t.Port == remote.Port() && sameHost(t.Host, host)
	})
	if at < 0 {
		return Target{}, false
	}
	return k.targets[at], true
}

// sameHost compares names as DNS does (RFC 4343).
func sameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}
