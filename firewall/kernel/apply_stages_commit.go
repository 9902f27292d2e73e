package kernel

import (
	"errors"
	"slices"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/encode"
)

// commitStages commits one stage after the other, each under the generation that the one before it made: when somebody
// else commits in between, that is ERESTART, and what is there by then is planned for anew.
func (c *Conn) commitStages(o order, s stages, live rawTable) error {
	generation := live.source.generation
	again := func(err error) error {
		if errors.Is(err, unix.ENOBUFS) { // committed or not: looking again will tell
			return unix.ERESTART
		}
		return err
	}
	if len(s.prepared) > 0 {
		s.prepare(newTransaction(c.nft, o, live))
		if err := c.commitStage(1, generation); err != nil {
			return again(err)
		}
		generation = following(generation)
	}
	t := newTransaction(c.nft, o, live)
	t.prepared = s.ready
	t.content(s.change)
	if err := c.commitStage(2, generation); err != nil {
		return again(err)
	}
	if len(s.next) == 0 {
		return nil
	}
	t = newTransaction(c.nft, o, live)
	t.settle(o.code, s.next)
	return c.commitStage(3, following(generation))
}

// commitStage commits what was queued.
func (c *Conn) commitStage(stage int, generation uint32) error {
	if err := c.nft.FlushWithGenID(generation); err != nil {
		return err
	}
	if c.staged != nil {
		return c.staged(stage)
	}
	return nil
}

// following is the generation that a commit makes of one; 0 is none (nf_tables_commit).
func following(generation uint32) uint32 {
	return max(generation+1, 1)
}

// prepare queues the first stage.
func (s stages) prepare(t *transaction) {
	for _, name := range s.spare {
		t.nft.DelSet(&nftables.Set{Table: t.table, Name: name})
	}
	t.addSets(encode.Code{Sets: s.prepared})
}

// settle queues the third stage: the chains that ask a set under its other name are written anew.
func (t *transaction) settle(code encode.Code, next map[string]string) {
	for _, s := range code.Sets {
		t.sets[s.Spec.Name] = t.existing(s.Spec)
	}
	chains := make(map[string]bool)
	for _, c := range code.Ruleset.Chains {
		if asksAny(c, next) {
			chains[c.Name] = true
			t.nft.FlushChain(&nftables.Chain{Table: t.table, Name: c.Name})
		}
	}
	for _, name := range next {
		t.nft.DelSet(&nftables.Set{Table: t.table, Name: name})
	}
	code.Rules = slices.DeleteFunc(slices.Clone(code.Rules), func(r encode.Rule) bool { return !chains[r.Chain] })
	t.addRules(code)
}

// asksAny says whether a rule of the chain looks into one of the sets.
func asksAny(c firewall.Chain, sets map[string]string) bool {
	return slices.ContainsFunc(c.Rules, func(r firewall.Rule) bool {
		return slices.ContainsFunc(r.Statements, func(s firewall.Statement) bool {
			l, ok := s.(firewall.Lookup)
			return ok && sets[l.Set] != ""
		})
	})
}
