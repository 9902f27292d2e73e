package firewall

import (
	"fmt"
	"slices"
	"time"
)

// Names in the table. Base chains are made once and never recreated, so theirs are fixed for good, and so is the one rule
// in each; what a policy changes lives in the regular chains and the sets. The names of exceptions stand behind "in_",
// which no other name begins with.
const (
	chainPrerouting = "prerouting"
	chainInput      = "input"
	chainForward    = "forward"
	chainOutput     = "output"

	chainAntispoof = "antispoof"
	chainInbound   = "inbound"
	chainICMP      = "icmp_in"
	chainAllow     = "allow_in"
	chainForwarded = "forwarded"
	chainOutbound  = "outbound"
	chainRefused   = "refused"

	setSeen4 = "seen4"
	setSeen6 = "seen6"

	counterSpoof   = "c_spoof"     // dropped: a source that cannot be
	counterRevoked = "c_revoked"   // dropped: of an inbound connection that the policy no longer allows
	counterInvalid = "c_invalid"   // dropped: of no connection that conntrack can make sense of
	counterNoise   = "c_noise"     // dropped without a log line: broadcast and multicast
	counterDropIn  = "c_drop_in"   // dropped: everything else inbound
	counterDropFwd = "c_drop_fwd"  // dropped: everything that would be passed on
	counterDropOut = "c_drop_out"  // refused: what the host itself sends to where it may not
	counterWould   = "c_would_out" // let go, and would be refused if egress were enforced

	commentPrefix = "sallyport policy "
	wayPrefix     = "in_"   // before the name of an exception: its chain
	exitPrefix    = "out_"  // before the name of a destination: its chain
	namePrefix    = "name_" // before the name of a destination: the sets of addresses that its names were learned to have
)

// Priorities: ten before everyone else's at the same place, so that nothing that accepts or rewrites is asked first.
const (
	beforeRaw    = -310
	beforeFilter = -10
)

// seenSize and seenTimeout bound the sets that hold the sources lately logged: a flood of made-up sources fills the set,
// then is dropped without a log line.
const (
	seenSize    = 4096
	seenTimeout = time.Minute
)

// Compile turns a policy into the one ruleset that stands for it: the same policy gives the same ruleset, in whatever
// order its exceptions, sources, ports and interfaces are named. Its errors are those of Validate.
func Compile(p Policy) (Ruleset, error) {
	if err := p.Validate(); err != nil {
		return Ruleset{}, err
	}
	ways, err := canonicalWays(p)
	if err != nil {
		return Ruleset{}, err
	}
	exits, err := canonicalExits(p.Egress)
	if err != nil {
		return Ruleset{}, err
	}
	r := Ruleset{
		Counters: []string{counterDropIn, counterInvalid, counterNoise, counterRevoked, counterSpoof},
		Sets:     append(seenSets(), knockSets()...),
		Chains: []Chain{
			baseChain(chainPrerouting, beforeRaw, false, chainAntispoof, ""),
			baseChain(chainInput, beforeFilter, true, chainInbound, commentPrefix+policyHash(p, ways, exits)),
			antispoof(), inbound(), icmpIn(p.Ping), allowIn(ways),
		},
	}
	if p.Forward == ForwardDrop {
		r.Counters = append(r.Counters, counterDropFwd)
		r.Chains = append(r.Chains, baseChain(chainForward, beforeFilter, true, chainForwarded, ""), forwarded())
	}
	for _, w := range ways {
		r.Counters = append(r.Counters, w.chain())
		r.Sets = append(r.Sets, w.sets()...)
		r.Chains = append(r.Chains, w.rules())
	}
	if p.Egress.Mode != EgressOpen {
		r.addEgress(p.Egress.Mode, exits)
	}
	slices.Sort(r.Counters)
	return r, nil
}

// baseChain makes a base chain that only leads on. Its policy judges what comes back, so that a chain emptied by someone
// else shuts the host instead of opening it.
func baseChain(name string, priority int32, drop bool, to, comment string) Chain {
	return Chain{
		Name:  name,
		Hook:  &Hook{Name: name, Priority: priority, Drop: drop},
		Rules: []Rule{{Statements: []Statement{Verdict{Kind: Goto, Chain: to}}, Comment: comment}},
	}
}

// seenSets are the sets of sources lately logged.
func seenSets() []Set {
	seen := func(name string, key KeyType) Set {
		return Set{
			Name: name, Key: []KeyType{key}, Dynamic: true, Timed: true, Timeout: seenTimeout, Size: seenSize,
		}
	}
	return []Set{seen(setSeen4, IPv4Addr), seen(setSeen6, IPv6Addr)}
}

// chain is the name of the exception's chain and of its counter.
func (w way) chain() string { return wayPrefix + w.name }

// sources is one of the sets that an exception's sources are in.
type sources struct {
	field    Field
	key      KeyType
	suffix   string // of the set's name
	elements []Element
	hosts    bool // single addresses only
}

// sources are those that are not empty.
func (w way) sources() []sources {
	all := []sources{
		{IPSaddr, IPv4Addr, "_4", w.v4, false}, {IPSaddr, IPv4Addr, "_hosts4", w.hosts4, true},
		{IP6Saddr, IPv6Addr, "_6", w.v6, false}, {IP6Saddr, IPv6Addr, "_hosts6", w.hosts6, true},
	}
	return slices.DeleteFunc(all, func(s sources) bool { return len(s.elements) == 0 })
}

// sets are the exception's sources: for each family that has any, its networks, and its single addresses where they are
// many.
func (w way) sets() []Set {
	var sets []Set
	for _, s := range w.sources() {
		set := Set{Name: w.chain() + s.suffix, Key: []KeyType{s.key}, Interval: !s.hosts, Elements: s.elements}
		if s.hosts {
			set.Size = hostsSize(len(s.elements))
		}
		sets = append(sets, set)
	}
	return sets
}

// hostsSize is the declared size of a set of so many single addresses. The kernel makes a hash of a fixed number of buckets
// of a set that says its size, and one that is resized while packets look into it of any other. It takes four buckets for
// three elements, rounded up to a power of two (nft_hash_buckets): with three times a power of two, nothing is rounded.
// The steps are wide, so that a set seldom has to be replaced because it has grown.
func hostsSize(n int) uint32 {
	size := uint32(3 << 8)
	for uint64(size) < uint64(n) {
		size <<= 1
	}
	return size
}

// rules is the exception's chain. Its ports stand in the same rule as its own sources, so exceptions cannot cross.
func (w way) rules() Chain {
	c := Chain{Name: w.chain(), Note: w.note()}
	for _, ports := range portsOf(w.tcp, w.udp) {
		if w.any {
			c.Rules = append(c.Rules, counted(w.chain(), Accept, ports))
		}
		for _, s := range w.sources() {
			from := Lookup{Fields: []Field{s.field}, Set: w.chain() + s.suffix}
			c.Rules = append(c.Rules, counted(w.chain(), Accept, from, ports))
		}
	}
	return c
}

func (w way) note() string {
	if w.management {
		return fmt.Sprintf("management: %s", w.name)
	}
	return fmt.Sprintf("allowed: %s", w.name)
}

// allowIn leads to each exception, by its interfaces where it names any.
func allowIn(ways []way) Chain {
	c := Chain{
		Name: chainAllow,
		Note: "asked for every inbound packet, also of established connections: who is taken off is cut off",
	}
	for _, w := range ways {
		jump := Verdict{Kind: Jump, Chain: w.chain()}
		if len(w.exact) == 0 && len(w.wildcards) == 0 {
			c.Rules = append(c.Rules, rule("", jump))
		}
		if len(w.exact) > 0 {
			c.Rules = append(c.Rules, rule("", Match{Field: MetaIIFName, Values: w.exact}, jump))
		}
		for _, name := range w.wildcards {
			c.Rules = append(c.Rules, rule("", Match{Field: MetaIIFName, Values: []Value{name}}, jump))
		}
	}
	return c
}

func rule(note string, statements ...Statement) Rule {
	return Rule{Statements: statements, Note: note}
}

// counted is a rule that counts into a named counter and then judges. Every drop and every way in counts into a named
// one: a rule's own counter starts anew with each apply.
func counted(counter string, kind VerdictKind, matches ...Statement) Rule {
	return Rule{Statements: append(slices.Clip(matches), Counter{Name: counter}, Verdict{Kind: kind})}
}
