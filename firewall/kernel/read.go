package kernel

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall"
	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/encode"
)

// readTable puts a table in the words of package firewall. It cannot fail: what has no word becomes an opaque statement,
// or the foreign part of a set, so that a difference is always seen.
func readTable(t rawTable) firewall.Ruleset {
	return readTableBy(t, func(rawSet) ([]firewall.Element, bool) { return nil, false })
}

// readWritten is readTable for a table that should hold what was written: where a set does, byte for byte, its elements
// are those of the ruleset, and need not be put in words again.
func readWritten(t rawTable, code encode.Code) firewall.Ruleset {
	return readTableBy(t, func(s rawSet) ([]firewall.Element, bool) {
		i := slices.IndexFunc(code.Sets, func(want encode.Set) bool { return want.Spec.Name == s.name })
		if i < 0 || !sameElements(s, code.Sets[i]) {
			return nil, false
		}
		return code.Ruleset.Sets[i].Elements, true
	})
}

// readTableBy is readTable with the elements of those sets for which they are known.
func readTableBy(t rawTable, known func(rawSet) ([]firewall.Element, bool)) firewall.Ruleset {
	r := firewall.Ruleset{Dormant: t.flags&unix.NFT_TABLE_F_DORMANT != 0}
	sets := make(map[string]rawSet, len(t.sets))
	for _, s := range t.sets {
		sets[s.name] = s
		if !s.anonymous() {
			r.Sets = append(r.Sets, readSet(s, known))
		}
	}
	for _, o := range t.objects {
		r.Counters = append(r.Counters, objectName(o))
	}
	for _, f := range t.flowtables {
		r.Counters = append(r.Counters, fmt.Sprintf("flowtable %s", f.Text(nftaFlowtableName)))
	}
	printer := printer{anonymous: t.anonymousSets()}
	for _, c := range t.chains {
		r.Chains = append(r.Chains, readChain(c, sets, &printer))
	}
	return r
}

// objectName is the name of a counter; other objects, which no compiled ruleset has, say what they are as well.
func objectName(o rawObject) string {
	if o.kind == nftObjectCounter {
		return o.name
	}
	return fmt.Sprintf("object %d %s", o.kind, o.name)
}

func readChain(c rawChain, sets map[string]rawSet, p *printer) firewall.Chain {
	chain := firewall.Chain{Name: c.name, Hook: readHook(c.attrs)}
	for _, r := range c.rules {
		chain.Rules = append(chain.Rules, firewall.Rule{
			Statements: readRule(r.expressions, sets, p), Comment: r.comment,
		})
	}
	return chain
}

// Values of the verdict NF_ACCEPT and NF_DROP (linux/netfilter.h) in a chain's policy.
const policyDrop = 0

func readHook(attrs attribute.List) *firewall.Hook {
	nested, err := attrs.Nested(unix.NFTA_CHAIN_HOOK)
	number, ok := nested.Number(unix.NFTA_HOOK_HOOKNUM)
	if err != nil || !ok {
		return nil
	}
	policy, ok := attrs.Number(unix.NFTA_CHAIN_POLICY)
	hook := firewall.Hook{
		Name:     hookName(number),
		Priority: int32(uint32(nested.NumberOr0(unix.NFTA_HOOK_PRIORITY))), // two's complement
		Drop:     ok && policy == policyDrop,
	}
	if kind := attrs.Text(unix.NFTA_CHAIN_TYPE); kind != "filter" {
		hook.Type = kind
	}
	return &hook
}

// hookName is the name of a hook of the family inet (enum nf_inet_hooks, linux/netfilter.h).
func hookName(number uint64) string {
	names := []string{"prerouting", "input", "forward", "output", "postrouting", "ingress"}
	if number < uint64(len(names)) {
		return names[number]
	}
	return fmt.Sprintf("%d", number)
}

// readRule runs through the expressions and collects the statements that they add up to.
func readRule(expressions []rawExpression, sets map[string]rawSet, p *printer) []firewall.Statement {
	r := ruleReader{sets: sets}
	for _, e := range expressions {
		r.pending = append(r.pending, e)
		if !r.step(e) {
			r.opaque(p)
		}
	}
	if len(r.pending) > 0 {
		r.opaque(p)
	}
	return slices.Clip(r.statements)
}

// opaque ends what was begun with a statement that only shows it.
func (r *ruleReader) opaque(p *printer) {
	text := p.expressions(r.pending)
	r.statements = append(r.statements, firewall.Opaque{Text: text[1:]})
	r.begin()
}
