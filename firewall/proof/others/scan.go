package others

import (
	"slices"

	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// scope is which packets a rule is about, as far as its conditions and those of the jumps that lead to it say.
type scope struct {
	protocol firewall.Protocol // 0: any
	dport    []firewall.Range  // nil: any
	source   []firewall.Addrs
	dest     []firewall.Addrs
	narrowed bool // by more than that
}

// scanner goes through every rule that a base chain leads to, without a packet in mind.
type scanner struct {
	table  *census.Table
	chains map[string]*census.Chain
	sets   map[string]*firewall.Set
	budget *int
	visit  func(base, at *census.Chain, r *census.Rule, s *census.Step, of scope)
}

// scan visits the statements that do something to packets, or lead them, in all base chains of the table.
func scan(
	t *census.Table, budget *int,
	visit func(base, at *census.Chain, r *census.Rule, s *census.Step, of scope),
) {
	if t.Dormant {
		return
	}
	s := scanner{table: t, chains: chainsOf(t), sets: setsOf(t), budget: budget, visit: visit}
	for i := range t.Chains {
		if c := &t.Chains[i]; c.Hook != nil {
			s.chain(c, c, scope{}, 0)
		}
	}
}

func (s *scanner) chain(base, c *census.Chain, of scope, depth int) {
	if c == nil || depth > maxDepth {
		return
	}
	for i := range c.Rules {
		if *s.budget--; *s.budget < 0 {
			return
		}
		s.rule(base, c, &c.Rules[i], of, depth)
	}
}

func (s *scanner) rule(base, c *census.Chain, r *census.Rule, of scope, depth int) {
	for i := range r.Steps {
		step := &r.Steps[i]
		switch step.Kind {
		case census.StepMatch:
			of = s.narrow(of, step.Word)
		case census.StepLocal, census.StepRate, census.StepListed, census.StepCondition, census.StepTranslated:
			of.narrowed = of.narrowed || step.Kind != census.StepLocal
		case census.StepVerdict:
			if v, ok := step.Word.(firewall.Verdict); ok && v.Chain != "" {
				s.chain(base, s.chains[v.Chain], of, depth+1)
			}
		case census.StepBranch:
			for _, b := range step.Branches {
				if b.Verdict.Chain != "" {
					s.chain(base, s.chains[b.Verdict.Chain], s.branch(of, b), depth+1)
				}
			}
		default:
			if step.Kind >= census.StepReject {
				s.visit(base, c, r, step, of)
			}
		}
	}
}

func (s *scanner) branch(of scope, b census.Branch) scope {
	if len(b.Fields) == 0 {
		of.narrowed = true
	}
	for i, field := range b.Fields {
		of = of.with(firewall.Match{Field: field, Values: b.Values[i : i+1]})
	}
	return of
}

// narrow is the scope under one more condition.
func (s *scanner) narrow(of scope, word firewall.Statement) scope {
	switch w := word.(type) {
	case firewall.Match:
		return of.with(w)
	case firewall.Lookup:
		set := s.sets[w.Set]
		if w.Not || len(w.Fields) != 1 || set == nil || set.Foreign != "" {
			break
		}
		m := firewall.Match{Field: w.Fields[0]}
		for _, e := range set.Elements {
			m.Values = append(m.Values, e.Key...)
		}
		return of.with(m)
	}
	of.narrowed = true
	return of
}

func (s scope) with(m firewall.Match) scope {
	if m.Not {
		s.narrowed = true
		return s
	}
	switch m.Field {
	case firewall.TCPDport, firewall.UDPDport, firewall.TransportDport:
		s.dport = numberValues(m.Values)
	case firewall.IPSaddr, firewall.IP6Saddr:
		s.source = addressValues(m.Values)
	case firewall.IPDaddr, firewall.IP6Daddr:
		s.dest = addressValues(m.Values)
	case firewall.MetaNFProto, firewall.MetaL4Proto:
	default:
		s.narrowed = true
	}
	switch {
	case m.Field == firewall.TCPDport, m.Field == firewall.TCPSport:
		s.protocol = firewall.TCP
	case m.Field == firewall.UDPDport, m.Field == firewall.UDPSport:
		s.protocol = firewall.UDP
	case m.Field == firewall.MetaL4Proto && len(m.Values) == 1:
		if n, ok := m.Values[0].(firewall.Number); ok {
			s.protocol = firewall.Protocol(n)
		}
	}
	return s
}

// protocols are those of the scope that have ports.
func (s scope) protocols() []firewall.Protocol {
	if s.protocol == 0 {
		return []firewall.Protocol{firewall.TCP, firewall.UDP}
	}
	return []firewall.Protocol{s.protocol}
}

// ports are the destination ports of the scope.
func (s scope) ports() []firewall.Range {
	if s.dport == nil {
		return []firewall.Range{{First: 1, Last: lastPort}}
	}
	return s.dport
}

// reachesHost says whether the scope has packets that come to the host from outside: its destinations, where it names any,
// are an address of the host that is no loopback one.
func (s scope) reachesHost(c census.Census) bool {
	if s.dest == nil {
		return true
	}
	own := slices.Concat(ownAddrs(c, firewall.NFProtoIPv4), ownAddrs(c, firewall.NFProtoIPv6))
	return len(own) == 0 || slices.ContainsFunc(own, func(a firewall.Addrs) bool {
		return coverAddrs([]firewall.Addrs{a}, s.dest) != none
	})
}
