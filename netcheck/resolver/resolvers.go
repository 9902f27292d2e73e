package resolver

import (
	"errors"
	"net/netip"
	"slices"
)

// ResolvedPath is where systemd-resolved writes whom it asks itself, while resolv.conf names its own address
// (systemd-resolved.service(8)).
const ResolvedPath = "/run/systemd/resolve/resolv.conf"

// SystemResolvers are the name servers of /etc/resolv.conf, the first three as resolver(5) has it. The error says that
// there is no such file, or none in it.
func SystemResolvers() ([]netip.Addr, error) { return resolversIn(ConfPath) }

// AskedResolvers are the name servers to which this host really sends: those of /etc/resolv.conf, and where one of them is
// systemd-resolved on this host, those that it asks in turn. The error says that none could be told.
func AskedResolvers() ([]netip.Addr, error) { return askedBy(ConfPath, ResolvedPath) }

func askedBy(conf, resolved string) ([]netip.Addr, error) {
	servers, err := resolversIn(conf)
	if err != nil {
		return nil, err
	}
	away := slices.DeleteFunc(slices.Clone(servers), netip.Addr.IsLoopback)
	if len(away) < len(servers) {
		further, failed := resolversIn(resolved)
		further, err = slices.DeleteFunc(further, netip.Addr.IsLoopback), failed
		away = append(away, further...)
	}
	if len(away) == 0 {
		return nil, errors.Join(errors.New("the resolver is this host itself, and whom it asks in turn is not known"), err)
	}
	return away, nil
}

func resolversIn(path string) ([]netip.Addr, error) {
	conf, err := ReadConf(path)
	if err != nil {
		return nil, err
	}
	servers := make([]netip.Addr, 0, len(conf.Servers))
	for _, s := range conf.Servers {
		servers = append(servers, s.Addr())
	}
	return servers, nil
}
