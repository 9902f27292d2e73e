package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"sallyport/config"
	"sallyport/firewall"
)

const (
	// resolverFile stands for the servers that this host's resolv.conf names: they come and go with the network, so that
	// they are learned as the addresses of names are, but from the guard itself.
	resolverFile = "resolv.conf"
	// ownUser is the user that Sallyport's own units run as.
	ownUser = "sallyport"
	// namesTogether is how many names share a destination, so that the kernel has room for all their addresses.
	namesTogether = 16

	dnsPort   = 53
	ldapPort  = 389
	ldapsPort = 636
)

// egressOf derives the ways out from what the configuration has this host do: ask its resolvers, reach what is checked, and
// send to log servers; and those that stand in it besides. The directories of ldaps checks are for the service's user and
// for Sallyport. A configuration that leaves egress open has none.
func egressOf(conf *config.Config, lookup func(name string) (uint32, error)) (firewall.Egress, error) {
	modes := map[config.EgressMode]firewall.EgressMode{
		config.EgressOpen: firewall.EgressOpen, config.EgressObserve: firewall.EgressObserve,
		config.EgressEnforce: firewall.EgressEnforce,
	}
	egress := firewall.Egress{Mode: modes[conf.Firewall.Egress.Mode]}
	if egress.Mode == firewall.EgressOpen {
		return egress, nil
	}
	var e waysOut
	readers, err := directoryUsers(conf.Service, lookup)
	if err != nil {
		return egress, err
	}
	e.resolvers(conf.Checks.DNS)
	for _, c := range conf.Checks.TLS {
		e.server(c)
	}
	for _, c := range conf.Checks.LDAPS {
		e.directory(c, readers)
	}
	for _, s := range conf.Report.Syslog {
		e.syslog(s)
	}
	egress.To = e.list
	for _, d := range conf.Firewall.Egress.Also {
		also := firewall.Destination{Name: d.Name, Any: d.Any, To: d.To, Names: d.Names, Ports: ports(d.Ports)}
		if also.Users, err = uids(d.Users, lookup); err != nil {
			return egress, fmt.Errorf("firewall.egress.also: %s: users: %w", d.Name, err)
		}
		egress.To = append(egress.To, also)
	}
	return egress, nil
}

// waysOut gathers destinations: those with the same ports and users share one.
type waysOut struct {
	list []firewall.Destination
}

// add adds a host, by name or address, to the destination of that kind and those ports. What stays on this host needs none.
// Its name has an underscore, as no name of the configuration has.
func (e *waysOut) add(kind, host string, users []uint32, port ...firewall.Ports) {
	addr, err := netip.ParseAddr(host)
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if addr.IsLoopback() || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return
	}
	at := e.open(fmt.Sprintf("%s_%d", kind, port[0].First), err != nil, users, port)
	if err != nil {
		if !slices.Contains(e.list[at].Names, name) {
			e.list[at].Names = append(e.list[at].Names, name)
		}
		return
	}
	addr = addr.Unmap().WithZone("")
	e.list[at].To = append(e.list[at].To, netip.PrefixFrom(addr, addr.BitLen()))
}

// open is the place of a destination of that name that has room, or of a new one.
func (e *waysOut) open(name string, byName bool, users []uint32, port []firewall.Ports) int {
	for number, called := 1, name; ; number++ {
		if number > 1 {
			called = fmt.Sprintf("%s_%d", name, number)
		}
		at := slices.IndexFunc(e.list, func(d firewall.Destination) bool { return d.Name == called })
		if at < 0 {
			e.list = append(e.list, firewall.Destination{Name: called, Ports: port, Users: users})
			return len(e.list) - 1
		}
		if !byName || len(e.list[at].Names) < namesTogether {
			return at
		}
	}
}

// resolvers adds whom this host asks for names, and whom the dns checks ask.
func (e *waysOut) resolvers(checks []config.DNS) {
	both := func(port uint16) []firewall.Ports {
		return []firewall.Ports{tcp(port), {Protocol: firewall.UDP, First: port, Last: port}}
	}
	e.add("resolver", resolverFile, nil, both(dnsPort)...)
	for _, c := range checks {
		for _, s := range c.Servers {
			host, port := s.Endpoint()
			if s.Transport == config.DNSOverUDP {
				e.add("resolver", host, nil, both(port)...) // a truncated answer is asked for over TCP
			} else {
				e.add("resolver_"+s.Transport, host, nil, tcp(port))
			}
		}
	}
}

// server adds the server of a TLS check, or the proxy that it is reached through: the server's name is the proxy's matter.
func (e *waysOut) server(c config.TLS) {
	if c.Proxy != nil {
		e.add("proxy", c.Proxy.Host, nil, tcp(c.Proxy.Port))
		return
	}
	e.add("tls", c.Host, nil, tcp(c.Port))
}

// directory adds the server of an LDAPS check. Those that are discovered are learned under the name of their domain: Active
// Directory has it lead to all of them, and where it does not, the check tells where it is about to connect to.
func (e *waysOut) directory(c config.LDAPS, readers []uint32) {
	switch {
	case c.Discover == "":
		e.add("directory", c.Host, readers, tcp(c.Port))
	case c.StartTLS:
		e.add("directory", c.Discover, readers, tcp(ldapPort))
	default:
		e.add("directory", c.Discover, readers, tcp(ldapsPort))
	}
}

func tcp(port uint16) firewall.Ports {
	return firewall.Ports{Protocol: firewall.TCP, First: port, Last: port}
}

func (e *waysOut) syslog(s config.Syslog) {
	if s.Network == "unix" {
		return
	}
	host, text, err := net.SplitHostPort(s.Address)
	number, bad := strconv.ParseUint(text, 10, 16)
	if err != nil || bad != nil {
		return // config has read it as host:port
	}
	port := firewall.Ports{Protocol: firewall.TCP, First: uint16(number), Last: uint16(number)}
	kind := "syslog_tcp"
	if s.Network == "udp" {
		port.Protocol, kind = firewall.UDP, "syslog_udp"
	}
	e.add(kind, host, nil, port)
}

// directoryUsers are the users that may reach the directories: the service's, and those that Sallyport runs as.
func directoryUsers(service *config.Service, lookup func(string) (uint32, error)) ([]uint32, error) {
	users := []uint32{0, uint32(os.Getuid())}
	if own, err := lookup(ownUser); err == nil { // there is one where the units were installed
		users = append(users, own)
	}
	if service != nil {
		uid, err := lookup(service.User)
		if err != nil {
			return nil, fmt.Errorf("service.user: %w", err)
		}
		users = append(users, uid)
	}
	slices.Sort(users)
	return slices.Compact(users), nil
}

func uids(names []string, lookup func(string) (uint32, error)) ([]uint32, error) {
	list := make([]uint32, 0, len(names))
	for _, name := range names {
		uid, err := lookup(name)
		if err != nil {
			return nil, err
		}
		list = append(list, uid)
	}
	return list, nil
}

// uidOf is the number of a user, who may be given by number. Only /etc/passwd is read: a directory that must be asked who
// may reach it could not be asked.
func uidOf(name string) (uint32, error) {
	text := name
	if u, err := user.Lookup(name); err == nil {
		text = u.Uid
	}
	uid, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no user in /etc/passwd: write the number that `id -u` prints for it", name)
	}
	return uint32(uid), nil
}

// followedNames are the names whose addresses are let out, in order.
func followedNames(conf *config.Config) ([]string, error) {
	if conf.Firewall.Mode != config.Enforce {
		return nil, nil
	}
	egress, err := egressOf(conf, uidOf)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range egress.To {
		for _, name := range d.Names {
			if name != resolverFile {
				names = append(names, strings.ToLower(strings.TrimSuffix(name, ".")))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
