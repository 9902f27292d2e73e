package proof

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"sallyport/firewall/kernel"
)

// maxTwinInterfaces is how many interfaces a twin gets; those of a host with more are not tried.
const maxTwinInterfaces = 256

// twinHost is what of a host its twin is made of.
type twinHost struct {
	tables     kernel.Tables
	interfaces []twinInterface
	sysctls    map[string]string // by path below /proc/sys
	untried    []string
}

// twinInterface is an interface of the host, loopback aside.
type twinInterface struct {
	name  string
	index int
	nets  []netip.Prefix // its addresses, each with the length of its network
}

// readHost reads the calling thread's network namespace.
func readHost(ctx context.Context) (twinHost, error) {
	tables, err := kernel.ReadTables(ctx)
	if err != nil {
		return twinHost{}, err
	}
	host := twinHost{tables: tables, sysctls: make(map[string]string)}
	all, err := net.Interfaces()
	if err != nil {
		return twinHost{}, fmt.Errorf("list the host's interfaces: %w", err)
	}
	names := []string{"all", "default"}
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if len(host.interfaces) == maxTwinInterfaces {
			host.untried = append(host.untried, fmt.Sprintf("interfaces beyond the first %d", maxTwinInterfaces))
			break
		}
		made := twinInterface{name: i.Name, index: i.Index}
		addresses, err := i.Addrs()
		if err != nil {
			return twinHost{}, fmt.Errorf("list the addresses of %q: %w", i.Name, err)
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
				made.nets = append(made.nets, p)
			}
		}
		host.interfaces = append(host.interfaces, made)
		names = append(names, i.Name)
	}
	host.readSysctls(names)
	return host, nil
}

// readSysctls takes over what changes where packets go. What a kernel without it does not have is left out.
func (h *twinHost) readSysctls(interfaces []string) {
	paths := []string{"net/ipv4/ip_forward"}
	for _, name := range interfaces {
		if strings.ContainsAny(name, "/") {
			continue // no interface has such a name
		}
		for _, key := range []string{"rp_filter", "forwarding", "route_localnet", "accept_local", "src_valid_mark"} {
			paths = append(paths, filepath.Join("net/ipv4/conf", name, key))
		}
		for _, key := range []string{"forwarding", "disable_ipv6"} {
			paths = append(paths, filepath.Join("net/ipv6/conf", name, key))
		}
	}
	for _, path := range paths {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", path)); err == nil {
			h.sysctls[path] = strings.TrimSpace(string(value))
		}
	}
}

// addresses are those of the host, or of one of its interfaces where that is named, in a family.
func (h twinHost) addresses(by string, kind uint8) []netip.Addr {
	var list []netip.Addr
	for _, i := range h.interfaces {
		for _, p := range i.nets {
			if family(p.Addr()) == kind && (by == "" || i.name == by) {
				list = append(list, p.Addr())
			}
		}
	}
	return list
}
