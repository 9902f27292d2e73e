package service

import (
	"time"

	"sallyport/check"
)

// maxShown bounds the connections in the evidence.
const maxShown = 32

// Evidence is what is known of the service: the evidence of the check of the kind service. Text in it is escaped.
type Evidence struct {
	User        string       `json:"user"`
	UID         uint32       `json:"uid"`
	Total       int          `json:"total"`              // connections to the ports that are looked at
	Connections []Shown      `json:"connections"`        // the first 32 of them
	Findings    []Finding    `json:"findings,omitempty"` // the worst first
	LastSeen    *time.Time   `json:"last_seen,omitempty"`
	Complaints  []Complained `json:"complaints,omitempty"` // of its log, the latest first
	Log         string       `json:"log,omitempty"`        // why the log is not all read

	met []Finding // all of them
}

// Shown is a connection as the evidence shows it.
type Shown struct {
	Remote           string  `json:"remote"`          // address and port
	Host             string  `json:"host,omitempty"`  // whose address that is, as the checks resolved it
	Check            string  `json:"check,omitempty"` // which asks there too
	State            State   `json:"state"`
	Waits            Waits   `json:"waits_for,omitempty"`
	Retransmits      int     `json:"retransmits,omitempty"` // in a row
	TotalRetransmits uint32  `json:"retransmitted_segments,omitempty"`
	Seconds          float64 `json:"seen_for_seconds"` // in this state
	RTT              float64 `json:"rtt_ms,omitempty"`
	SendQueue        uint32  `json:"send_queue,omitempty"`
	ReceiveQueue     uint32  `json:"receive_queue,omitempty"`
}

// Complained is a complaint beside what the checks find.
type Complained struct {
	Complaint
	Agrees []string `json:"agrees,omitempty"` // the checks that find the same
	recent bool     // it counts as one of now
}

// show makes the evidence of connections.
func (k knowledge) show(list []Connection, since func(Connection) time.Duration) []Shown {
	shown := make([]Shown, 0, min(len(list), maxShown))
	for _, c := range list[:min(len(list), maxShown)] {
		t, _ := k.target(c.Remote)
		shown = append(shown, Shown{
			Remote: c.Remote.String(), Host: k.host(c.Remote.Addr()), Check: t.Check, State: c.State, Waits: c.Waits,
			Retransmits: c.Retransmits, TotalRetransmits: c.TotalRetransmits, Seconds: since(c).Round(time.Second).Seconds(),
			RTT: float64(c.RTT.Microseconds()) / 1000, SendQueue: c.SendQueue, ReceiveQueue: c.ReceiveQueue,
		})
	}
	return shown
}

// worst is the status and the cause that findings make of a result.
func worst(findings []Finding) (check.Status, check.Cause) {
	if len(findings) == 0 {
		return check.OK, ""
	}
	return findings[0].Status, findings[0].Cause
}
