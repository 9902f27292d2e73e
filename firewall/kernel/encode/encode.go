package encode

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"

	"sallyport/firewall"
)

// ErrNotEncodable says that a ruleset holds something that this package has no bytes for. Compile never makes such a one.
var ErrNotEncodable = errors.New("cannot be written to the kernel")

// Code is a ruleset as the instructions of the kernel, before anything is sent.
type Code struct {
	Ruleset firewall.Ruleset
	Sets    []Set  // in the order of Ruleset.Sets
	Rules   []Rule // in the order of Ruleset.Chains
}

// Set is a set and its elements; Table and ID of Spec are filled in when it is sent.
type Set struct {
	Spec     *nftables.Set
	Elements []nftables.SetElement
}

// Rule is a rule; the anonymous sets in it are sent before it, and their lookups are told their ids.
type Rule struct {
	Chain     string
	Exprs     []expr.Any
	Userdata  []byte
	Anonymous []AnonymousSet
}

// AnonymousSet is one that stands in a rule, and the expression that asks it.
type AnonymousSet struct {
	Set
	Lookup *expr.Lookup
}

// Ruleset turns one into instructions, the same ones that nft would send for its text. It sends nothing, so that a
// ruleset that cannot be written is refused before half of it is.
func Ruleset(r firewall.Ruleset) (Code, error) {
	e := Code{Ruleset: r}
	for _, s := range r.Sets {
		set, err := encodeSet(s)
		if err != nil {
			return Code{}, fmt.Errorf("set %s: %w", s.Name, err)
		}
		e.Sets = append(e.Sets, set)
	}
	for _, c := range r.Chains {
		for _, rule := range c.Rules {
			one, err := encodeRule(rule)
			if err != nil {
				return Code{}, fmt.Errorf("chain %s: rule %q: %w", c.Name, rule, err)
			}
			one.Chain = c.Name
			e.Rules = append(e.Rules, one)
		}
	}
	return e, nil
}

func encodeRule(r firewall.Rule) (Rule, error) {
	var b ruleBuilder
	for _, s := range r.Statements {
		if err := b.statement(s); err != nil {
			return Rule{}, err
		}
	}
	if r.Comment != "" {
		b.rule.Userdata = userdata.AppendString(nil, userdata.TypeComment, r.Comment)
	}
	return b.rule, nil
}

// Has says whether a set has a key: as an element, or between two boundaries.
func (s Set) Has(key []byte) bool {
	i, exact := slices.BinarySearchFunc(s.Elements, key, func(e nftables.SetElement, key []byte) int {
		return bytes.Compare(e.Key, key)
	})
	switch {
	case exact:
		return !s.Elements[i].IntervalEnd
	case !s.Spec.Interval || i == 0:
		return false
	default:
		return !s.Elements[i-1].IntervalEnd
	}
}
