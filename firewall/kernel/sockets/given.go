package sockets

import (
	"fmt"
	"os"
)

// portRange is where the kernel keeps the ports that it gives to connections that go out, IPv6 ones too (ip-sysctl). Who
// reads it reads that of the calling thread's network namespace.
const portRange = "/proc/sys/net/ipv4/ip_local_port_range"

// given are the ports that the kernel gives to connections that go out.
type given struct{ first, last uint16 }

// portsGiven reads them; none where they cannot be told.
func portsGiven() given {
	text, err := os.ReadFile(portRange)
	if err != nil {
		return given{}
	}
	return parsePorts(string(text))
}

func parsePorts(text string) given {
	var g given
	if n, err := fmt.Sscan(text, &g.first, &g.last); n != 2 || err != nil || g.first == 0 {
		return given{}
	}
	return g
}

func (g given) has(port uint16) bool { return g.first <= port && port <= g.last && g.first > 0 }
