package kernel

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"

	"sallyport/firewall"
)

// ErrNotEncodable says that a ruleset holds something that this package has no bytes for. Compile never makes such a one.
var ErrNotEncodable = errors.New("cannot be written to the kernel")

// encoded is a ruleset as the instructions of the kernel, before anything is sent.
type encoded struct {
	ruleset firewall.Ruleset
	sets    []encodedSet  // in the order of ruleset.Sets
	rules   []encodedRule // in the order of ruleset.Chains
}

// encodedSet is a set and its elements; Table and ID are filled in when it is sent.
type encodedSet struct {
	set      *nftables.Set
	elements []nftables.SetElement
}

// encodedRule is a rule; the anonymous sets in it are sent before it, and their lookups are told their ids.
type encodedRule struct {
	chain     string
	exprs     []expr.Any
	userdata  []byte
	anonymous []anonymousSet
}

type anonymousSet struct {
	encodedSet
	lookup *expr.Lookup
}

// encode turns a ruleset into instructions, the same ones that nft would send for its text. It sends nothing, so that a
// ruleset that cannot be written is refused before half of it is.
func encode(r firewall.Ruleset) (encoded, error) {
	e := encoded{ruleset: r}
	for _, s := range r.Sets {
		set, err := encodeSet(s)
		if err != nil {
			return encoded{}, fmt.Errorf("set %s: %w", s.Name, err)
		}
		e.sets = append(e.sets, set)
	}
	for _, c := range r.Chains {
		for _, rule := range c.Rules {
			one, err := encodeRule(rule)
			if err != nil {
				return encoded{}, fmt.Errorf("chain %s: rule %q: %w", c.Name, rule, err)
			}
			one.chain = c.Name
			e.rules = append(e.rules, one)
		}
	}
	return e, nil
}

func encodeRule(r firewall.Rule) (encodedRule, error) {
	var b ruleBuilder
	for _, s := range r.Statements {
		if err := b.statement(s); err != nil {
			return encodedRule{}, err
		}
	}
	if r.Comment != "" {
		b.rule.userdata = userdata.AppendString(nil, userdata.TypeComment, r.Comment)
	}
	return b.rule, nil
}
