package kernel

import (
	"fmt"
	"sallyport/firewall/kernel/attribute"

	"golang.org/x/sys/unix"
)

// From linux/netfilter/nf_tables.h.
const maxBoundChains = 16 // NFT_JUMP_STACK_SIZE: as deep as chains can stand in each other's rules

// rules adds those of every chain in order. A chain that stands in a rule must be whole before that rule comes, which
// binds it.
func (b *replayer) rules() error {
	byChain := make(map[string][]replayRule)
	var order []string
	for _, message := range b.from.Rules {
		r, err := newReplayRule(message)
		if err != nil {
			return fmt.Errorf("rule: %w", err)
		}
		if _, seen := byChain[r.chain]; !seen {
			order = append(order, r.chain)
		}
		byChain[r.chain] = append(byChain[r.chain], r)
	}
	bound, err := b.boundChains()
	if err != nil {
		return err
	}
	done := make(map[string]bool)
	for _, chain := range order {
		if err := b.chainRules(chain, byChain, bound, done, 0); err != nil {
			return err
		}
	}
	return nil
}

func (b *replayer) boundChains() (map[string]bool, error) {
	bound := make(map[string]bool)
	for _, message := range b.from.Chains {
		attrs, err := attribute.Parse(message)
		if err != nil {
			return nil, fmt.Errorf("chain: %w", err)
		}
		if attrs.NumberOr0(nftaChainFlags)&chainBinding != 0 {
			bound[attrs.Text(unix.NFTA_CHAIN_NAME)] = true
		}
	}
	return bound, nil
}

func (b *replayer) chainRules(
	chain string, all map[string][]replayRule, bound, done map[string]bool, depth int,
) error {
	if done[chain] {
		return nil
	}
	if depth > maxBoundChains {
		return fmt.Errorf("%w: chains in rules deeper than %d", attribute.ErrMalformed, maxBoundChains)
	}
	done[chain] = true
	for _, r := range all[chain] {
		for _, to := range r.leadsTo {
			if !bound[to] {
				continue
			}
			if err := b.chainRules(to, all, bound, done, depth+1); err != nil {
				return err
			}
		}
		b.add(unix.NFT_MSG_NEWRULE, r.attrs)
	}
	return nil
}

// replayRule is a rule as it is to be written.
type replayRule struct {
	chain   string
	leadsTo []string // chains that its verdicts name
	attrs   []byte
}

func newReplayRule(message []byte) (replayRule, error) {
	rule, err := decodeRule(message)
	if err != nil {
		return replayRule{}, err
	}
	r := replayRule{chain: rule.attrs.Text(unix.NFTA_RULE_CHAIN)}
	quota := false
	for _, e := range rule.expressions {
		quota = quota || e.name == exprQuota
		if e.name != exprImmediate {
			continue
		}
		data, err := e.attrs.Nested(unix.NFTA_IMMEDIATE_DATA)
		if err != nil {
			return replayRule{}, err
		}
		verdict, err := data.Nested(unix.NFTA_DATA_VERDICT)
		if err != nil {
			return replayRule{}, err
		}
		if to := verdict.Text(unix.NFTA_VERDICT_CHAIN); to != "" {
			r.leadsTo = append(r.leadsTo, to)
		}
	}
	r.attrs, err = without(message, unix.NFTA_RULE_HANDLE, unix.NFTA_RULE_POSITION, unix.NFTA_RULE_ID, unix.NFTA_RULE_PAD,
		nftaRulePositionID, nftaRuleChainID)
	if err == nil && quota {
		r.attrs, err = replaced(r.attrs, unix.NFTA_RULE_EXPRESSIONS, undepletedList)
	}
	return r, err
}

// undepletedList is undepleted for each quota in a list of expressions.
func undepletedList(list []byte) ([]byte, error) {
	return replaced(list, unix.NFTA_LIST_ELEM, func(expression []byte) ([]byte, error) {
		attrs, err := attribute.Parse(expression)
		if err != nil || attrs.Text(unix.NFTA_EXPR_NAME) != exprQuota {
			return expression, err
		}
		return replaced(expression, unix.NFTA_EXPR_DATA, undepleted)
	})
}
