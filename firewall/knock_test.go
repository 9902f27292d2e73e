package firewall

import (
	"slices"
	"testing"
)

// TestKnocksCostWhoIsLetInNothing holds that nothing is kept before the exceptions were asked, in whatever policy: the
// packets that are let in never come to it; and that who knocked is kept before the log's budget can end a rule.
func TestKnocksCostWhoIsLetInNothing(t *testing.T) {
	for name, policy := range goldenPolicies() {
		rules, err := Compile(policy)
		if err != nil {
			t.Fatal(err)
		}
		chain := rules.Chains[slices.IndexFunc(rules.Chains, func(c Chain) bool { return c.Name == chainInbound })]
		asked := slices.IndexFunc(chain.Rules, func(r Rule) bool {
			return slices.Contains(statementTexts(r), "jump "+chainAllow)
		})
		var kept, logged []int
		for i, r := range chain.Rules {
			for _, s := range r.Statements {
				a, ok := s.(Add)
				switch {
				case ok && a.Counter:
					kept = append(kept, i)
				case ok:
					logged = append(logged, i)
				}
			}
		}
		if asked < 0 || len(kept) != 4 || len(logged) != 2 || kept[0] < asked || logged[0] < kept[3] {
			t.Errorf("%s: the exceptions are asked by rule %d, kept is by %v, logged by %v", name, asked, kept, logged)
		}
	}
}

func statementTexts(r Rule) []string {
	var texts []string
	for _, s := range r.Statements {
		texts = append(texts, s.String())
	}
	return texts
}

// TestTalliesAreBounded holds that whatever packets add to has a size and a time.
func TestTalliesAreBounded(t *testing.T) {
	dynamic := 0
	for name, policy := range goldenPolicies() {
		rules, err := Compile(policy)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range rules.Sets {
			if s.Dynamic {
				dynamic++
				if s.Size == 0 || s.Size > MaxKnocks || s.Timeout == 0 || !s.Timed || len(s.Elements) > 0 {
					t.Errorf("%s: set %s is not bounded: %s", name, s.Name, setLine(s))
				}
			}
		}
	}
	if dynamic == 0 {
		t.Error("no set that packets add to")
	}
}
