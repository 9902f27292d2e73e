package firewall

import (
	"fmt"
	"net/netip"
	"strings"
)

// EgressMode says what becomes of packets that the host itself sends and that no destination names.
type EgressMode uint8

// The modes of egress.
const (
	EgressOpen    EgressMode = iota // not Sallyport's business: no output chain
	EgressObserve                   // counted and logged as if refused, and let go
	EgressEnforce                   // refused
)

// Egress is what the host may send of its own accord. Answers to connections that came in, connections that were there
// before (conntrack knows them as established), neighbour discovery, multicast membership, echo requests and DHCP need no
// destination.
type Egress struct {
	Mode EgressMode
	To   []Destination
}

// Destination is one way out: Ports at To, at the addresses of Names, or anywhere, for Users only where any are named.
// Like exceptions, destinations do not cross.
type Destination struct {
	Name  string         // unique among destinations; the same rules as for an Exception
	Ports []Ports        // at least one
	To    []netip.Prefix // fixed addresses, in any order; may overlap
	Any   bool           // anywhere; To and Names must then be empty

	// Names are DNS names whose addresses are learned while the ruleset is in force: Compile makes empty sets for them,
	// which LearnedSets tells. Upper case and a final dot mean nothing.
	Names []string

	// Users are the uids whose sockets may go there, as of the user namespace that owns the network namespace; none:
	// everybody, also the kernel itself. A socket is of who made it (nft_meta_get_eval_skugid), whoever uses it later.
	Users []uint32
}

// NameSets are the sets that take the addresses of one name, by family: one for each destination that has the name.
type NameSets struct {
	V4, V6 []string
}

// LearnedSets says which timed sets of the compiled ruleset take the addresses of which DNS name, the name in lower case
// and without a final dot. A policy that leaves egress open has none. The sets hold no more than MaxLearned elements.
func LearnedSets(p Policy) map[string]NameSets {
	sets := make(map[string]NameSets)
	if p.Egress.Mode == EgressOpen {
		return sets
	}
	for _, d := range p.Egress.To {
		for _, name := range mergedNames(d.Names) {
			s := sets[name]
			s.V4, s.V6 = append(s.V4, nameSet4(d.Name)), append(s.V6, nameSet6(d.Name))
			sets[name] = s
		}
	}
	return sets
}

// MaxLearned is how many addresses the names of one destination may have at a time in one family.
const MaxLearned = 1024

func nameSet4(destination string) string { return namePrefix + destination + "_4" }
func nameSet6(destination string) string { return namePrefix + destination + "_6" }

// canonicalName is a DNS name as sets are kept by it (RFC 4343: case means nothing).
func canonicalName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// String is the mode in the words of the configuration.
func (m EgressMode) String() string {
	names := [...]string{EgressOpen: "open", EgressObserve: "observe", EgressEnforce: "enforce"}
	if int(m) < len(names) {
		return names[m]
	}
	return fmt.Sprintf("egress mode %d", uint8(m))
}

// MarshalText is the word of the configuration, so that a policy that was kept outlives a change of our numbers.
func (m EgressMode) MarshalText() ([]byte, error) {
	if m > EgressEnforce {
		return nil, fmt.Errorf("%s: want open, observe or enforce", m)
	}
	return []byte(m.String()), nil
}

// UnmarshalText takes a word of MarshalText.
func (m *EgressMode) UnmarshalText(text []byte) error {
	for known := EgressOpen; known <= EgressEnforce; known++ {
		if string(text) == known.String() {
			*m = known
			return nil
		}
	}
	return fmt.Errorf("egress mode %q: want open, observe or enforce", text)
}
