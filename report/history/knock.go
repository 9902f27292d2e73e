package history

import (
	"net/netip"
	"time"
)

// Knock is somebody who was refused at a port of this host.
type Knock struct {
	From     netip.Addr
	Protocol uint8 // IANA protocol number
	Port     uint16
	Packets  uint64
	First    time.Time // when it was first told
	Last     time.Time // when it was last told with more packets than before
}

// door is what one row is about.
type door struct {
	from     netip.Addr
	protocol uint8
	port     uint16
}

func (k Knock) door() door { return door{from: k.From, protocol: k.Protocol, port: k.Port} }
