package firewall

import (
	"fmt"
	"net/netip"
)

// Policy is what the operator wants of the firewall, free of any file format. Everything inbound that it does not name
// is dropped. A valid one comes back from JSON as it went there.
type Policy struct {
	Management []Exception // the ways in that keep the owner from being locked out
	Allow      []Exception // further ways in
	Ping       bool        // answer echo requests
	Forward    Forward
	Egress     Egress

	// NoManagement says that a policy without any management exception is meant, not forgotten.
	NoManagement bool
}

// Exception is one way in: Ports from From only, on Interfaces only where any are named. Exceptions do not cross: the
// ports of one never go with the sources of another.
type Exception struct {
	Name       string
	Ports      []Ports
	From       []netip.Prefix // any order, may overlap; Compile merges them
	Any        bool           // from everywhere; From must then be empty
	Interfaces []string       // names as in iifname; a trailing * matches a prefix
}

// Ports is a range of ports of one protocol.
type Ports struct {
	Protocol    Protocol
	First, Last uint16 // inclusive, First <= Last, First >= 1
}

// Protocol is a transport protocol with ports.
type Protocol uint8

const (
	TCP Protocol = 6  // IANA protocol number
	UDP Protocol = 17 // IANA protocol number
)

// Forward says what happens to packets that the host would pass on to others.
type Forward uint8

// The kinds of forwarding. A ruleset is the same for the last two: what containers publish is told by who looks at the
// listeners and at the rules of others.
const (
	ForwardDrop       Forward = iota // none is passed on
	ForwardAccept                    // not Sallyport's business: no forward chain
	ForwardContainers                // for containers of this host: no forward chain either, others' rules judge
)

// String is the word of the configuration.
func (f Forward) String() string {
	names := [...]string{ForwardDrop: "drop", ForwardAccept: "accept", ForwardContainers: "containers"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("forward %d", uint8(f))
}

// MarshalText is the word of the configuration, so that a policy that was kept outlives a change of our numbers.
func (f Forward) MarshalText() ([]byte, error) {
	if f > ForwardContainers {
		return nil, fmt.Errorf("%s: want drop, accept or containers", f)
	}
	return []byte(f.String()), nil
}

// UnmarshalText takes a word of MarshalText.
func (f *Forward) UnmarshalText(text []byte) error {
	for known := ForwardDrop; known <= ForwardContainers; known++ {
		if string(text) == known.String() {
			*f = known
			return nil
		}
	}
	return fmt.Errorf("forward %q: want drop, accept or containers", text)
}
