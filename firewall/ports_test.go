package firewall

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestNoSetsOfRanges holds that no rule has a set of its own with a range in it: packets would not find it for a moment
// after each change (portMatches).
func TestNoSetsOfRanges(t *testing.T) {
	policies := slices.Collect(maps.Values(goldenPolicies()))
	random := rand.New(rand.NewPCG(19, 84))
	for range 5000 {
		data := make([]byte, 120)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		if p := policyFrom(data); p.Validate() == nil {
			policies = append(policies, p)
		}
	}
	several := 0
	for i, p := range policies {
		rules := compile4Test(t, p)
		both := beside4Test(t, rules, compile4Test(t, policies[(i+1)%len(policies)]), time.Minute)
		several += setsOfValues(t, rules) + setsOfValues(t, both)
	}
	if len(policies) < 100 || several == 0 {
		t.Errorf("%d policies, %d sets: the test tells little", len(policies), several)
	}
}

// setsOfValues is how many matches have several values; of those, each must be a single one.
func setsOfValues(t *testing.T, r Ruleset) (several int) {
	t.Helper()
	for _, c := range r.Chains {
		for _, rule := range c.Rules {
			for _, s := range rule.Statements {
				m, ok := s.(Match)
				if !ok || len(m.Values) < 2 {
					continue
				}
				several++
				if !slices.ContainsFunc(m.Values, isRange) {
					continue
				}
				t.Errorf("chain %s: %s", c.Name, rule)
			}
		}
	}
	return several
}

func isRange(v Value) bool {
	switch v := v.(type) {
	case Range:
		return true
	case Addrs:
		return v.From != v.To
	}
	return false
}
