package firewall

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TrialSet is the name of the set by which a trial lives: while it holds a packet's family, the candidate judges the
// packet. Its elements have a timeout, so that the kernel alone ends a trial, with no process of Sallyport alive.
const TrialSet = "trial"

// trialPrefix stands before the names of a candidate's chains and sets on trial; no compiled name begins with it.
const trialPrefix = "try_"

// The bounds of what Beside takes: below the shortest the kernel's clock ticks (a timeout of 0 would be none at all).
const (
	shortestBeside = 10 * time.Millisecond
	longestBeside  = 24 * time.Hour
)

// OnTrial is the name that a regular chain, or a set that packets do not add to, has while its ruleset is on trial.
func OnTrial(name string) string { return trialPrefix + name }

// Beside puts a candidate beside the ruleset in force: both are in the table, the candidate's chains and sets under other
// names, and each base chain asks the set TrialSet first which of the two judges. For so long its elements are there;
// then the committed one judges again. Base chains keep their place, so that neither the beginning nor either end of the
// trial makes one anew; one that only the candidate has accepts for the other, and the other way round. Counters and the
// sets that packets add to are those of both, and count on. A committed ruleset without anything is an open host.
//
// It is refused where a base chain of one name stands elsewhere in the other, where one of them is dormant or on trial
// already, and for a time that is shorter than 10 ms or longer than a day.
func Beside(committed, candidate Ruleset, within time.Duration) (Ruleset, error) {
	if within < shortestBeside || within > longestBeside {
		return Ruleset{}, fmt.Errorf("a trial of %s: want %s to %s", within, shortestBeside, longestBeside)
	}
	for _, r := range []Ruleset{committed, candidate} {
		if err := r.single(); err != nil {
			return Ruleset{}, err
		}
	}
	b := beside{committed: committed, candidate: candidate}
	out := Ruleset{
		Counters: slices.Compact(slices.Sorted(slices.Values(slices.Concat(committed.Counters, candidate.Counters)))),
		Sets:     append(slices.Clone(committed.Sets), b.sets()...),
	}
	out.Sets = append(out.Sets, trialSet(within))
	var regular []Chain
	for _, c := range committed.Chains {
		if c.Hook == nil {
			regular = append(regular, c)
		}
	}
	for _, name := range b.baseNames() {
		base, entry, err := b.base(name)
		if err != nil {
			return Ruleset{}, err
		}
		out.Chains = append(out.Chains, base)
		regular = append(regular, entry)
	}
	for _, c := range candidate.Chains {
		if c.Hook == nil {
			c.Name, c.Rules = OnTrial(c.Name), b.rules(c.Rules)
			regular = append(regular, c)
		}
	}
	out.Chains = append(out.Chains, regular...)
	return out, nil
}

// trialSet holds both families for a while.
func trialSet(within time.Duration) Set {
	return Set{Name: TrialSet, Key: []KeyType{NFProto}, Timed: true, Elements: []Element{
		{Key: []Value{NFProtoIPv4}, Timeout: within}, {Key: []Value{NFProtoIPv6}, Timeout: within},
	}}
}

// Prolonged is a ruleset that Beside made, with another time: what is left of it, where it is written again.
func (r Ruleset) Prolonged(within time.Duration) Ruleset {
	r.Sets = slices.Clone(r.Sets)
	for i, s := range r.Sets {
		if s.Name == TrialSet {
			r.Sets[i] = trialSet(within)
		}
	}
	return r
}

// single refuses what cannot be one of the two.
func (r Ruleset) single() error {
	if r.Dormant {
		return errors.New("a dormant ruleset cannot be on trial, nor be gone back to: it judges nothing")
	}
	for _, s := range r.Sets {
		if s.Name == TrialSet || strings.HasPrefix(s.Name, trialPrefix) {
			return fmt.Errorf("set %s: a trial cannot stand beside a trial", s.Name)
		}
	}
	return nil
}

// beside renames a candidate.
type beside struct{ committed, candidate Ruleset }

// setName is the name of a candidate's set on trial. Sets that packets add to keep theirs where both mean the same: what
// packets left there is true of both, and whoever reads it finds it under one name.
func (b beside) setName(name string) string {
	s, ok := setNamed(b.candidate, name)
	if ok && s.Dynamic {
		if other, taken := setNamed(b.committed, name); !taken || setLine(other) == setLine(s) {
			return name
		}
	}
	return OnTrial(name)
}

func setNamed(r Ruleset, name string) (Set, bool) {
	i := slices.IndexFunc(r.Sets, func(s Set) bool { return s.Name == name })
	if i < 0 {
		return Set{}, false
	}
	return r.Sets[i], true
}

// sets are the candidate's, under their names on trial, without those that the committed ruleset has as well.
func (b beside) sets() []Set {
	var sets []Set
	for _, s := range b.candidate.Sets {
		s.Name = b.setName(s.Name)
		if _, there := setNamed(b.committed, s.Name); !there {
			sets = append(sets, s)
		}
	}
	return sets
}

// baseNames are the base chains of both, the committed ones first.
func (b beside) baseNames() []string {
	var names []string
	for _, c := range slices.Concat(b.committed.Chains, b.candidate.Chains) {
		if c.Hook != nil && !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// base is a base chain that asks which of the two judges, and the chain by which the candidate's rules are entered.
func (b beside) base(name string) (base, entry Chain, err error) {
	kept, isKept := baseNamed(b.committed, name)
	tried, isTried := baseNamed(b.candidate, name)
	accept := []Rule{rule("no chain here", Verdict{Kind: Accept})}
	switch {
	case !isKept:
		kept = Chain{Name: name, Hook: tried.Hook, Rules: accept}
	case !isTried:
		tried = Chain{Name: name, Hook: kept.Hook, Rules: accept}
	}
	if k, t := *kept.Hook, *tried.Hook; k.Name != t.Name || k.Priority != t.Priority || k.Type != t.Type {
		return Chain{}, Chain{}, fmt.Errorf(
			"the base chain %s stands elsewhere in the candidate (%s) than in force (%s): a trial cannot move it, "+
				"apply it without one", name, tried.Hook, kept.Hook)
	}
	toTrial := rule("which of the two judges", Lookup{Fields: []Field{MetaNFProto}, Set: TrialSet},
		Verdict{Kind: Goto, Chain: OnTrial(name)})
	base = Chain{Name: name, Hook: kept.Hook, Rules: append([]Rule{toTrial}, kept.Rules...)}
	entry = Chain{Name: OnTrial(name), Note: "the candidate"}
	entry.Rules, err = b.entered(tried)
	return base, entry, err
}

func baseNamed(r Ruleset, name string) (Chain, bool) {
	i := slices.IndexFunc(r.Chains, func(c Chain) bool { return c.Hook != nil && c.Name == name })
	if i < 0 {
		return Chain{}, false
	}
	return r.Chains[i], true
}

// entered are the rules of a candidate's base chain as those of a regular one: its policy stands at the end, since the
// base chain's own is the committed one's, and nothing may leave before by another way than a verdict.
func (b beside) entered(base Chain) ([]Rule, error) {
	policy := Verdict{Kind: Accept}
	if base.Hook.Drop {
		policy.Kind = Drop
	}
	var rules []Rule
	for _, r := range b.rules(base.Rules) {
		last := len(r.Statements) - 1
		if last < 0 {
			continue
		}
		v, _ := r.Statements[last].(Verdict)
		switch {
		case v.Kind == Goto && last > 0:
			return nil, fmt.Errorf("base chain %s: %q: a trial takes no goto of some packets only", base.Name, r)
		case v.Kind == Goto: // and at its end the policy; what follows here is never asked
			r.Statements[last] = Verdict{Kind: Jump, Chain: v.Chain}
			return append(rules, r, rule("the candidate's policy", policy)), nil
		case v.Kind == Return:
			r.Statements[last] = policy
		}
		rules = append(rules, r)
	}
	return append(rules, rule("the candidate's policy", policy)), nil
}

// rules are a candidate's, with its chains and sets by their names on trial. They share nothing with the original.
func (b beside) rules(original []Rule) []Rule {
	rules := make([]Rule, len(original))
	for i, r := range original {
		r.Statements = slices.Clone(r.Statements)
		for j, s := range r.Statements {
			r.Statements[j] = b.statement(s)
		}
		rules[i] = r
	}
	return rules
}

func (b beside) statement(s Statement) Statement {
	switch s := s.(type) {
	case Lookup:
		s.Set = b.setName(s.Set)
		return s
	case Add:
		s.Set = b.setName(s.Set)
		return s
	case Verdict:
		if s.Kind == Jump || s.Kind == Goto {
			s.Chain = OnTrial(s.Chain)
		}
		return s
	}
	return s
}
