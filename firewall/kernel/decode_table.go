package kernel

import (
	"bytes"
	"cmp"
	"fmt"
	"sallyport/firewall/kernel/attribute"
	"slices"

	"golang.org/x/sys/unix"
)

// rawTable is a table as the kernel told it, parsed as far as normalising and reading need it. Nothing is left out yet.
type rawTable struct {
	flags      uint64
	chains     []rawChain // by name: their order means nothing
	sets       []rawSet   // by name
	objects    []rawObject
	flowtables []attribute.List
	source     snapshot // what it was decoded from
}

// rawChain is a chain and its rules in order.
type rawChain struct {
	name  string
	attrs attribute.List
	rules []rawRule
}

// rawRule is a rule and its expressions in order.
type rawRule struct {
	attrs       attribute.List
	expressions []rawExpression
	comment     string
}

// rawObject is a stateful object, such as a named counter.
type rawObject struct {
	name  string
	kind  uint64
	attrs attribute.List
	data  attribute.List
}

// decodeTable turns messages into a table. It never panics, whatever the bytes.
func decodeTable(s snapshot) (rawTable, error) {
	unreadable := func(err error) (rawTable, error) {
		return rawTable{}, fmt.Errorf("cannot read the dump of table inet %s: %w", s.Name, err)
	}
	attrs, err := attribute.Parse(s.Table)
	if err != nil {
		return unreadable(fmt.Errorf("table: %w", err))
	}
	t := rawTable{flags: attrs.NumberOr0(unix.NFTA_TABLE_FLAGS), source: s}
	for _, step := range []func(snapshot) error{
		t.decodeChains, t.decodeRules, t.decodeSets, t.decodeObjects, t.decodeFlowtables,
	} {
		if err := step(s); err != nil {
			return unreadable(err)
		}
	}
	return t, nil
}

func (t *rawTable) decodeChains(s snapshot) error {
	for _, message := range s.Chains {
		attrs, err := attribute.Parse(message)
		if err != nil {
			return fmt.Errorf("chain: %w", err)
		}
		t.chains = append(t.chains, rawChain{name: attrs.Text(unix.NFTA_CHAIN_NAME), attrs: attrs})
	}
	slices.SortStableFunc(t.chains, func(a, b rawChain) int { return cmp.Compare(a.name, b.name) })
	return nil
}

func (t *rawTable) decodeRules(s snapshot) error {
	for _, message := range s.Rules {
		rule, err := decodeRule(message)
		if err != nil {
			return fmt.Errorf("rule: %w", err)
		}
		name := rule.attrs.Text(unix.NFTA_RULE_CHAIN)
		i, found := slices.BinarySearchFunc(t.chains, name, func(c rawChain, name string) int {
			return cmp.Compare(c.name, name)
		})
		if !found {
			return fmt.Errorf("rule of the chain %q, which the dump does not have", name)
		}
		t.chains[i].rules = append(t.chains[i].rules, rule)
	}
	return nil
}

func decodeRule(message []byte) (rawRule, error) {
	attrs, err := attribute.Parse(message)
	if err != nil {
		return rawRule{}, err
	}
	list, err := decodeExpressionList(attrs.Bytes(unix.NFTA_RULE_EXPRESSIONS), 0)
	if err != nil {
		return rawRule{}, err
	}
	comment := userdataComment(attrs.Bytes(unix.NFTA_RULE_USERDATA), udataRuleComment)
	return rawRule{attrs: attrs, expressions: list, comment: comment}, nil
}

func (t *rawTable) decodeObjects(s snapshot) error {
	for _, message := range s.Objects {
		attrs, err := attribute.Parse(message)
		if err != nil {
			return fmt.Errorf("object: %w", err)
		}
		data, err := attrs.Nested(unix.NFTA_OBJ_DATA)
		if err != nil {
			return fmt.Errorf("object %q: %w", attrs.Text(unix.NFTA_OBJ_NAME), err)
		}
		t.objects = append(t.objects, rawObject{
			name: attrs.Text(unix.NFTA_OBJ_NAME), kind: attrs.NumberOr0(unix.NFTA_OBJ_TYPE), attrs: attrs, data: data,
		})
	}
	slices.SortStableFunc(t.objects, func(a, b rawObject) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
	})
	return nil
}

func (t *rawTable) decodeFlowtables(s snapshot) error {
	for _, message := range s.Flowtables {
		attrs, err := attribute.Parse(message)
		if err != nil {
			return fmt.Errorf("flowtable: %w", err)
		}
		t.flowtables = append(t.flowtables, attrs)
	}
	slices.SortStableFunc(t.flowtables, func(a, b attribute.List) int {
		return bytes.Compare(a.Bytes(nftaFlowtableName), b.Bytes(nftaFlowtableName))
	})
	return nil
}
