package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"sallyport/firewall/kernel/attribute"
	"sallyport/firewall/kernel/census"
)

// end is the step for who is told of it.
func (s traceStep) end() *End {
	return &End{
		Family: census.FamilyName(s.at.family), Table: census.Visible(s.at.name), Chain: census.Visible(s.chain),
		Handle: s.handle, Queued: s.queues(),
	}
}

// explain adds what the rule says. One that cannot be read any more stays without words.
func (e *End) explain(ctx context.Context, step traceStep) {
	if step.policy || step.handle == 0 {
		return
	}
	reader := &Conn{} // one that only reads
	defer func() { _ = reader.closeReader() }()
	rule, comment, err := reader.ruleAt(ctx, step)
	if err != nil {
		return
	}
	e.Rule, e.Comment = rule.String(), census.Visible(comment)
}

// ruleAt reads one rule of a table of any family, with the sets that stand inside it.
func (c *Conn) ruleAt(ctx context.Context, step traceStep) (read census.Rule, comment string, err error) {
	session, err := c.session(ctx)
	if err != nil {
		return read, "", err
	}
	defer func() { c.end(session, err) }()
	session.budget = censusBytes
	request := slices.Concat(
		attribute.String(unix.NFTA_RULE_TABLE, step.at.name), attribute.String(unix.NFTA_RULE_CHAIN, step.chain),
		attribute.Encode(unix.NFTA_RULE_HANDLE, binary.BigEndian.AppendUint64(nil, step.handle)))
	var found []byte
	err = session.askOf(ctx, step.at.family, unix.NFT_MSG_GETRULE, 0, request, func(_ byte, b []byte) { found = b })
	if err != nil {
		return read, "", err
	}
	rule, err := decodeRule(found)
	if err != nil {
		return read, "", err
	}
	sets, err := session.setsOf(ctx, step.at, rule.expressions)
	if err != nil {
		return read, "", err
	}
	read = census.Rule{Handle: step.handle, Steps: readSteps(step.at.family, rule.expressions, sets)}
	return read, rule.comment, nil
}

// ruleSets is how many sets of one rule are read.
const ruleSets = 8

// setsOf reads the sets that a rule looks things up in. One that is not there any more is left out.
func (s *session) setsOf(ctx context.Context, at place, expressions []rawExpression) (map[string]rawSet, error) {
	sets := make(map[string]rawSet)
	for _, e := range expressions {
		name := e.attrs.Text(unix.NFTA_LOOKUP_SET)
		if e.name != exprLookup || name == "" || len(sets) == ruleSets {
			continue
		}
		set, err := s.setAt(ctx, at, name)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sets[name] = set
	}
	return sets, nil
}

// setAt reads one set, the elements only where it stands inside a rule: of others the name is told.
func (s *session) setAt(ctx context.Context, at place, name string) (rawSet, error) {
	part := snapshot{Name: at.name, Elements: make(map[string][][]byte)}
	request := append(attribute.String(unix.NFTA_SET_TABLE, at.name), attribute.String(unix.NFTA_SET_NAME, name)...)
	err := s.askOf(ctx, at.family, unix.NFT_MSG_GETSET, 0, request, func(_ byte, b []byte) {
		part.Sets = append(part.Sets, b)
	})
	if err != nil {
		return rawSet{}, err
	}
	var table rawTable
	if err := table.decodeSets(part); err != nil || len(table.sets) == 0 || !table.sets[0].anonymous() {
		return first(table.sets), err
	}
	if large, err := s.someElements(ctx, at, name, &part, censusSet); err != nil || large {
		return first(table.sets), err
	}
	table.sets = nil
	err = table.decodeSets(part)
	return first(table.sets), err
}

func first(sets []rawSet) rawSet {
	if len(sets) == 0 {
		return rawSet{}
	}
	return sets[0]
}
