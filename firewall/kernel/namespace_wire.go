package kernel

import (
	"encoding/gob"

	"sallyport/firewall"
)

// A ruleset goes to a child as gob, which has two gaps: it cannot encode a struct without fields, and it takes a pointer
// to zero for no pointer. Statements that fall into one are sent as another.

// wireFIB stands for a FIBMissing.
type wireFIB struct{ firewall.FIBMissing }

// GobEncode gives a byte to what has none.
func (wireFIB) GobEncode() ([]byte, error) { return []byte{1}, nil }

// GobDecode takes it off again.
func (*wireFIB) GobDecode([]byte) error { return nil }

// wireLog stands for a Log to netlink group 0.
type wireLog struct{ firewall.Log }

// registerWire tells gob the types that stand behind interfaces. Doing so twice is nothing.
func registerWire() {
	for _, v := range []any{
		firewall.Match{}, firewall.Lookup{}, wireFIB{}, firewall.Limit{}, firewall.Counter{}, firewall.Log{}, wireLog{},
		firewall.Add{}, firewall.Verdict{}, firewall.Reject{}, firewall.Opaque{},
		firewall.Number(0), firewall.Range{}, firewall.Addrs{}, firewall.Name(""),
	} {
		gob.Register(v)
	}
}

func toWire(r firewall.Ruleset) firewall.Ruleset {
	return translate(r, func(s firewall.Statement) firewall.Statement {
		switch s := s.(type) {
		case firewall.FIBMissing:
			return wireFIB{}
		case firewall.Log:
			if s.Group != nil && *s.Group == 0 {
				return wireLog{s}
			}
		}
		return s
	})
}

func fromWire(r firewall.Ruleset) firewall.Ruleset {
	return translate(r, func(s firewall.Statement) firewall.Statement {
		switch s := s.(type) {
		case wireFIB:
			return firewall.FIBMissing{}
		case wireLog:
			s.Group = new(uint16)
			return s.Log
		}
		return s
	})
}

// translate is the ruleset with each statement replaced.
func translate(r firewall.Ruleset, replace func(firewall.Statement) firewall.Statement) firewall.Ruleset {
	chains := make([]firewall.Chain, len(r.Chains))
	for i, c := range r.Chains {
		rules := make([]firewall.Rule, len(c.Rules))
		for j, rule := range c.Rules {
			statements := make([]firewall.Statement, len(rule.Statements))
			for k, s := range rule.Statements {
				statements[k] = replace(s)
			}
			rule.Statements = statements
			rules[j] = rule
		}
		c.Rules = rules
		chains[i] = c
	}
	r.Chains = chains
	return r
}
