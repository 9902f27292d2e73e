package kernel

import (
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// nextPrefix stands before the name of a set of intervals that is to take the place of one that is asked. No compiled name
// begins with it, on trial or not.
const nextPrefix = "next_"

// stages bring a table that judges packets to a ruleset in which sets of intervals are new or hold something else. In one
// transaction the kernel would make the new rules live first and what such a set holds visible after that, some 0.1 ms
// later (nf_tables_commit: nft_set_commit_update comes after the new generation; kernel 6.18), and what is permitted before
// and after would be dropped for so long. So
//
//  1. what is new is added, filled, and asked by no rule yet: under its own name where no rule asks a set of that name, and
//     under another (nextPrefix) where one does;
//  2. the change, whole: the rules of the ruleset, of which those that ask a set under another name still do, and all sets
//     under their own names;
//  3. the rules ask all sets under their own names, and the others are deleted.
//
// Only the second changes what becomes of any packet. What an end between them leaves behind is in the way of nothing: a
// set that no rule asks is replaced or deleted, one that a rule asks under another name is not needed again.
type stages struct {
	spare    []string          // live sets that no rule asks, in the way of those of the first stage
	prepared []encode.Set      // what the first stage adds
	ready    map[string]bool   // names of what is there after the first stage
	next     map[string]string // the other name of a set, by its own
	change   encode.Code
}

// stagesOf plans the stages; false where one transaction does as well, because no such set is new, or must do, because
// nothing judges packets yet or what does is not to be trusted.
func stagesOf(o order, live rawTable) (stages, bool) {
	if !o.staged || o.rebuild || !judges(live, o.code.Ruleset) {
		return stages{}, false
	}
	s := stages{ready: make(map[string]bool), next: make(map[string]string)}
	asked := live.asked()
	for _, want := range o.code.Sets {
		if want.Spec.Interval && !live.keeps(want) && !s.plan(want, live, asked) {
			return stages{}, false
		}
	}
	var err error
	s.change, err = asking(o.code, s.next)
	return s, err == nil && len(s.ready) > 0
}

// plan plans the first stage of a set that is new or changed. It fails where rules ask both a set of its name and one of
// its other name, which is no doing of ours.
func (s *stages) plan(want encode.Set, live rawTable, asked map[string]bool) bool {
	if name := want.Spec.Name; asked[name] {
		want = renamed(want)
		s.next[name] = want.Spec.Name
	}
	name := want.Spec.Name
	if asked[name] {
		return false
	}
	s.ready[name] = true
	if live.keeps(want) { // from a try that came to nothing
		return true
	}
	if _, ok := live.setNamed(name); ok {
		s.spare = append(s.spare, name)
	}
	s.prepared = append(s.prepared, want)
	return true
}

// keeps says whether the table has the set just as it is wanted.
func (t rawTable) keeps(want encode.Set) bool {
	there, ok := t.setNamed(want.Spec.Name)
	return ok && sameSet(there, want.Spec) && holds(there, want)
}

// judges says whether packets are judged by base chains that the ruleset has as well.
func judges(live rawTable, r firewall.Ruleset) bool {
	if live.source.Table == nil || live.flags&unix.NFT_TABLE_F_DORMANT != 0 || r.Dormant {
		return false
	}
	return slices.ContainsFunc(live.chains, func(c rawChain) bool {
		want, ok := chainNamed(r, c.name)
		return ok && want.Hook != nil && len(c.rules) > 0 && samePlace(c, want)
	})
}

// renamed is a set with the same elements under its other name.
func renamed(s encode.Set) encode.Set {
	set := *s.Spec
	set.Name = nextPrefix + set.Name
	return encode.Set{Spec: &set, Elements: s.Elements}
}

// asking is a ruleset with rules that ask some sets under their other names, and with those sets besides.
func asking(e encode.Code, next map[string]string) (encode.Code, error) {
	r := askElsewhere(e.Ruleset, next)
	rules := r
	rules.Sets = nil // their elements are encoded already
	change, err := encode.Ruleset(rules)
	change.Ruleset, change.Sets = r, slices.Clone(e.Sets)
	for i, s := range e.Sets {
		if other, ok := next[s.Spec.Name]; ok {
			set := e.Ruleset.Sets[i]
			set.Name = other
			change.Ruleset.Sets = append(change.Ruleset.Sets, set)
			change.Sets = append(change.Sets, renamed(s))
		}
	}
	return change, err
}

// askElsewhere is a ruleset whose rules ask some sets under other names. It shares nothing that it changes.
func askElsewhere(r firewall.Ruleset, next map[string]string) firewall.Ruleset {
	r.Sets, r.Chains = slices.Clip(r.Sets), slices.Clone(r.Chains)
	for i, c := range r.Chains {
		r.Chains[i].Rules = slices.Clone(c.Rules)
		for j, rule := range c.Rules {
			statements := slices.Clone(rule.Statements)
			for k, s := range statements {
				if l, ok := s.(firewall.Lookup); ok && next[l.Set] != "" {
					l.Set = next[l.Set]
					statements[k] = l
				}
			}
			r.Chains[i].Rules[j].Statements = statements
		}
	}
	return r
}

// asked are the names of the sets that rules look into or add to.
func (t rawTable) asked() map[string]bool {
	attribute := map[string]uint16{
		exprLookup: unix.NFTA_LOOKUP_SET, exprDynset: unix.NFTA_DYNSET_SET_NAME, exprObjref: unix.NFTA_OBJREF_SET_NAME,
	}
	asked := make(map[string]bool)
	for _, c := range t.chains {
		for _, r := range c.rules {
			for _, e := range r.expressions {
				if kind, ok := attribute[e.name]; ok && e.attrs.Has(kind) {
					asked[e.attrs.Text(kind)] = true
				}
			}
		}
	}
	return asked
}

// setNamed is the live set of a name.
func (t rawTable) setNamed(name string) (rawSet, bool) {
	i := slices.IndexFunc(t.sets, func(s rawSet) bool { return s.name == name })
	if i < 0 {
		return rawSet{}, false
	}
	return t.sets[i], true
}
