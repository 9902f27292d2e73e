package service

import (
	"fmt"
	"math/bits"
	"net/netip"
	"time"
)

// State is a state of a TCP connection, as ss(8) writes it.
type State string

// The states in which a connection has a peer.
const (
	Established State = "established"
	SynSent     State = "syn-sent"
	FinWait1    State = "fin-wait-1"
	FinWait2    State = "fin-wait-2"
	CloseWait   State = "close-wait"
	LastAck     State = "last-ack"
	Closing     State = "closing"
)

// Waits is what the kernel waits for on a connection.
type Waits string

// What is told apart of it.
const (
	WaitsForNothing Waits = ""
	WaitsForAck     Waits = "acknowledgement" // what was sent is sent again until then
	WaitsForWindow  Waits = "window"          // the peer takes nothing more in, or this host lets nothing out
)

// Connection is a TCP connection of the service's user.
type Connection struct {
	Local, Remote netip.AddrPort
	State         State
	ID            uint64 // tells it from another that comes to the same addresses later

	Waits       Waits
	Retransmits int           // how often in vain, one after another
	Expires     time.Duration // until the next
	RTO         time.Duration // between the last and the next

	ReceiveQueue, SendQueue uint32 // bytes

	RTT              time.Duration // smoothed; 0: unknown
	TotalRetransmits uint32        // segments, since it began
}

// Sample is the connections of a user at a time.
type Sample struct {
	UID         uint32
	Connections []Connection
	Total       int // of all; more than are listed where there are many
}

// firstWait is how long the kernel waits for an answer to the first SYN (TCP_TIMEOUT_INIT, RFC 6298 section 2.1).
const firstWait = time.Second

// silent is for how long, at the least, nothing has answered what is sent again: the waits that ran out, and the part of the
// present one that has passed. Those for a SYN are a second each at first, then double (tcp_syn_linear_timeouts, kernel
// 6.5); older kernels double from the first. Those of a connection that stands always double.
func (c Connection) silent() time.Duration {
	if c.Waits != WaitsForAck || c.RTO <= 0 || c.Retransmits <= 0 {
		return 0
	}
	passed := max(0, c.RTO-c.Expires)
	times := min(c.Retransmits, 62)
	if c.State != SynSent {
		return passed + c.RTO - c.RTO>>times
	}
	doubled := min(bits.Len64(uint64(c.RTO/firstWait))-1, times) // RTO is firstWait times two to the power of this
	if doubled < 0 {
		return passed + time.Duration(times)*c.RTO
	}
	return passed + time.Duration(times-doubled)*firstWait + c.RTO - c.RTO>>doubled
}

// words is the connection in a few words, without where it leads.
func (c Connection) words() string {
	if c.State == Established && c.RTT > 0 {
		return fmt.Sprintf("established (rtt %.1f ms)", float64(c.RTT.Microseconds())/1000)
	}
	return string(c.State)
}

// span is a time as a sentence tells it.
func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}
