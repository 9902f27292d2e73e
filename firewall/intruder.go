package firewall

import "slices"

// Ports of this host from which programs with root's rights connect to others without asking the kernel for one
// (bindresvport(3): NFS and its like).
const (
	firstReserved = 512
	lastReserved  = 1023
)

// Intrudes says whether the connection came in, and none of the policies lets it in: it may then have come in only while
// they were not in force. What the host itself began is never taken for such a one: without a listener on the local port,
// a connection counts only where its ports say plainly who began.
func (p Peer) Intrudes(policies ...Policy) bool {
	from, port := p.Remote.Addr().Unmap(), p.Local.Port()
	if len(policies) == 0 || from.IsLoopback() || !p.cameIn() {
		return false
	}
	return !slices.ContainsFunc(policies, func(policy Policy) bool {
		return policy.AdmitsBy(p.Interface, from, TCP, port)
	})
}

// cameIn is inbound for who is to be cut off, and not only warned of: rather one too few than one too many.
func (p Peer) cameIn() bool {
	port := p.Local.Port()
	reserved := port >= firstReserved && port <= lastReserved
	return p.Listened || port < firstEphemeral && !reserved && p.Remote.Port() >= firstEphemeral
}
