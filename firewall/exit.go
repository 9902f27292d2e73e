package firewall

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// exit is a destination in its one canonical form.
type exit struct {
	name     string
	any      bool
	tcp, udp []Value // Number or Range
	v4, v6   []Element
	names    []string
	users    []Value
}

// canonicalExits gives the destinations sorted by name.
func canonicalExits(e Egress) ([]exit, error) {
	exits := make([]exit, 0, len(e.To))
	for _, d := range e.To {
		x := exit{
			name: d.Name, any: d.Any, tcp: mergedPorts(d.Ports, TCP), udp: mergedPorts(d.Ports, UDP),
			names: mergedNames(d.Names),
		}
		for _, uid := range slices.Compact(slices.Sorted(slices.Values(d.Users))) {
			x.users = append(x.users, Number(uid))
		}
		var err error
		if x.v4, x.v6, err = mergedSources(d.To); err != nil {
			return nil, fmt.Errorf("destination %q: %w", d.Name, err)
		}
		exits = append(exits, x)
	}
	slices.SortFunc(exits, func(a, b exit) int { return cmp.Compare(a.name, b.name) })
	return exits, nil
}

func mergedNames(names []string) []string {
	merged := make([]string, len(names))
	for i, name := range names {
		merged[i] = canonicalName(name)
	}
	slices.Sort(merged)
	return slices.Compact(merged)
}

// hash writes the destination in lines that no other has: names cannot hold a space.
func (x exit) hash(w io.Writer) {
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) } // a hash does not fail
	put("to %s any %t\n", x.name, x.any)
	putValues(w, "tcp", x.tcp)
	putValues(w, "udp", x.udp)
	putValues(w, "uid", x.users)
	for _, name := range x.names {
		put(" name %s\n", name)
	}
	for _, e := range slices.Concat(x.v4, x.v6) {
		put(" to %s\n", e)
	}
}

// chain is the name of the destination's chain and of its counter.
func (x exit) chain() string { return exitPrefix + x.name }

func (x exit) set4() string { return x.chain() + "_4" }
func (x exit) set6() string { return x.chain() + "_6" }

// sets are the destination's fixed addresses, a set for each family that has any, and the empty ones for what its names
// will turn out to mean.
func (x exit) sets() []Set {
	var sets []Set
	if len(x.v4) > 0 {
		sets = append(sets, Set{Name: x.set4(), Key: []KeyType{IPv4Addr}, Interval: true, Elements: x.v4})
	}
	if len(x.v6) > 0 {
		sets = append(sets, Set{Name: x.set6(), Key: []KeyType{IPv6Addr}, Interval: true, Elements: x.v6})
	}
	if len(x.names) > 0 {
		sets = append(sets,
			Set{Name: nameSet4(x.name), Key: []KeyType{IPv4Addr}, Timed: true, Size: MaxLearned},
			Set{Name: nameSet6(x.name), Key: []KeyType{IPv6Addr}, Timed: true, Size: MaxLearned})
	}
	return sets
}

// lookups are the questions of which one must say yes, each a match or none.
func (x exit) lookups() []Statement {
	if x.any {
		return []Statement{nil}
	}
	var lookups []Statement
	ask := func(asked bool, field Field, set string) {
		if asked {
			lookups = append(lookups, Lookup{Fields: []Field{field}, Set: set})
		}
	}
	ask(len(x.v4) > 0, IPDaddr, x.set4())
	ask(len(x.v6) > 0, IP6Daddr, x.set6())
	ask(len(x.names) > 0, IPDaddr, nameSet4(x.name))
	ask(len(x.names) > 0, IP6Daddr, nameSet6(x.name))
	return lookups
}

// rules is the destination's chain. Its ports stand in the same rule as its own addresses, so destinations cannot cross.
func (x exit) rules() Chain {
	c := Chain{Name: x.chain(), Note: "destination: " + x.name}
	for _, ports := range portsOf(x.tcp, x.udp) {
		for _, lookup := range x.lookups() {
			matches := []Statement{ports}
			if lookup != nil {
				matches = []Statement{lookup, ports}
			}
			c.Rules = append(c.Rules, counted(x.chain(), Accept, matches...))
		}
	}
	return c
}

// jump leads to the destination's chain, for its users only where it names any.
func (x exit) jump() Rule {
	jump := Verdict{Kind: Jump, Chain: x.chain()}
	if len(x.users) == 0 {
		return rule("", jump)
	}
	return rule("", Match{Field: MetaSKUID, Values: x.users}, jump)
}
