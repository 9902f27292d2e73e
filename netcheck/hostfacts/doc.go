// Package hostfacts reads what the host itself knows of its network: its interfaces, the networks on their links, the
// default gateways, and whether these answer. It is asked when something fails, to tell a fault of this host's network from
// one of a server. Everything comes from /proc/net and two ioctls: no netlink, no packet is sent, and nothing is written.
package hostfacts
