package netcheck

import "net/netip"

// SystemResolvers are the name servers of /etc/resolv.conf, the first three as resolver(5) has it. The error says that
// there is no such file, or none in it.
func SystemResolvers() ([]netip.Addr, error) {
	conf, err := readResolvConf(resolvConfPath)
	if err != nil {
		return nil, err
	}
	servers := make([]netip.Addr, 0, len(conf.servers))
	for _, s := range conf.servers {
		servers = append(servers, s.Addr())
	}
	return servers, nil
}
