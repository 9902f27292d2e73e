package resolver

import (
	"net/netip"
	"slices"
)

// IsStub says whether the server is systemd-resolved's stub on this host, which asks others in turn
// (systemd-resolved.service(8), "/etc/resolv.conf").
func (x *Exchanger) IsStub() bool {
	stubs := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 53}), netip.AddrFrom4([4]byte{127, 0, 0, 54})}
	return slices.Contains(stubs, x.server.Address.Addr())
}

// BehindStub are the servers that systemd-resolved asks itself, as path says, ResolvedPath on a host: none where nothing
// is known of them.
func BehindStub(path string) []*Exchanger {
	conf, err := ReadConf(path)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(conf.Exchangers(), (*Exchanger).IsStub)
}
