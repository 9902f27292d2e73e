package document

import (
	"encoding/json"
	"net/netip"
	"time"

	"sallyport/check"
)

// Traffic is what the evidence of the firewall's result in status says of packets within the last hour, beside the keys
// that the result itself has there.
type Traffic struct {
	Knocking *Knocking `json:"knocking_sources,omitempty"`
	Knocks   []Knock   `json:"knocks,omitempty"` // the hundred with the most packets, those first
	Egress   *Egress   `json:"egress,omitempty"` // where egress is observed or enforced
}

// Knocking is how many addresses knocked.
type Knocking struct {
	IPv4 int `json:"ipv4"`
	IPv6 int `json:"ipv6"`
}

// Knock is a source that was turned away at a port of this host.
type Knock struct {
	From     netip.Addr `json:"from"`
	Protocol string     `json:"protocol"` // tcp or udp
	Port     uint16     `json:"port"`
	Packets  uint64     `json:"packets"` // of TCP, first segments of connections
	Bytes    uint64     `json:"bytes"`
	Since    time.Time  `json:"since"` // when it was counted first
}

// Egress is where this host wanted to go although no destination of its policy names it.
type Egress struct {
	Mode    string    `json:"mode"`    // observe: it went; enforce: it was refused
	Count   int       `json:"count"`   // of all refused
	Refused []Refusal `json:"refused"` // the hundred with the most packets, those first
	Barred  []Barred  `json:"barred,omitempty"`
}

// Refusal is a destination with the owner of the sockets that wanted to go there.
type Refusal struct {
	To       netip.Addr `json:"to"`
	Protocol string     `json:"protocol"`
	Port     uint16     `json:"port"`
	UID      *uint32    `json:"uid,omitempty"` // none: the kernel's own packets, or it is not known
	User     string     `json:"user,omitempty"`
	Packets  uint64     `json:"packets"`
	Bytes    uint64     `json:"bytes"`
	Since    time.Time  `json:"since"`
}

// Barred is an address that a name of the policy leads to and that is not let out for it.
type Barred struct {
	Name    string     `json:"name"`
	Address netip.Addr `json:"address"`
	Why     string     `json:"why"`
}

// Traffic is what the document says of packets; false where it says nothing.
func (d Document) Traffic() (Traffic, bool) {
	for _, item := range d.Results {
		if item.Kind != check.KindFirewall || item.Evidence == nil {
			continue
		}
		var t Traffic
		text, err := json.Marshal(item.Evidence)
		if err == nil && json.Unmarshal(text, &t) == nil && (t.Knocking != nil || t.Egress != nil) {
			return t, true
		}
	}
	return Traffic{}, false
}
