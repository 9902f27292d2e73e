package others

import (
	"slices"

	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// walk takes one flow through one base chain of others, as far as can be told without a packet.
type walk struct {
	place
	flow   *flow
	chains map[string]*census.Chain
	budget *int // rules that may still be looked at, of all walks

	accepted bool // some of the flow gets through, or may
	stops    []stop
	effects  []stop
}

// stop is where some of a flow does not get on as it was, or may not.
type stop struct {
	chain  string
	rule   *census.Rule // nil: the chain's policy
	step   census.Step  // what stops it or does something to it
	reach  cover
	why    reason // what narrows the rule itself
	before reason // what narrowed those before it that took the rest
}

// maxDepth is how deep chains lead into chains (NFT_JUMP_STACK_SIZE).
const maxDepth = 16

// state is how much of the flow is still on its way, and why not all of it.
type state struct {
	reach  cover
	why    reason // of the jumps that led here
	before reason
}

// base takes the flow through a base chain, its policy included.
func (w *walk) base(c *census.Chain) {
	start := state{reach: all}
	if len(c.Devices) > 0 {
		start.reach = w.devices(c)
		if start.reach == part {
			start.why = byInterface
		}
	}
	if start.reach == none {
		w.accepted = true
		return
	}
	rest := w.through(c, start, 0)
	switch {
	case rest.reach == none:
	case c.Hook.Drop:
		w.stops = append(w.stops, stop{
			chain: c.Name, step: census.Step{Kind: census.StepVerdict, Text: "policy drop"},
			reach: rest.reach, why: start.why, before: rest.before,
		})
	default:
		w.accepted = true
	}
	if start.reach == part {
		w.accepted = true // what comes by another interface is not asked
	}
}

// devices says how much of the flow comes by the interfaces of the chain.
func (w *walk) devices(c *census.Chain) cover {
	have := w.flow.in
	if !w.flow.inbound() {
		have = w.flow.out
	}
	if len(have) == 0 {
		return part
	}
	return coverNames(have, c.Devices)
}

// through takes what is on its way through a chain and returns what comes out at its end.
func (w *walk) through(c *census.Chain, s state, depth int) state {
	if c == nil || depth > maxDepth {
		return s
	}
	left := state{reach: none, before: s.before} // what went back before the end
	for i := range c.Rules {
		if *w.budget--; *w.budget < 0 {
			break
		}
		var back cover
		s, back = w.rule(c, &c.Rules[i], s, depth)
		left.reach = max(left.reach, back)
		if s.reach == none {
			break
		}
	}
	return state{reach: max(left.reach, s.reach), why: s.why, before: left.before | s.before}
}

// rule asks one rule. It returns what goes on to the next rule, and how much went back to where the chain was led from.
func (w *walk) rule(c *census.Chain, r *census.Rule, s state, depth int) (state, cover) {
	matched, why := all, s.why
	for i := range r.Steps {
		step := &r.Steps[i]
		holds, narrows := w.condition(w.flow, step)
		if holds == none {
			return s, none
		}
		if holds == part {
			matched, why = part, why|narrows
		}
		hit := min(s.reach, matched)
		at := stop{chain: c.Name, rule: r, step: *step, reach: hit, why: why, before: s.before}
		switch step.Kind {
		case census.StepVerdict:
			v, _ := step.Word.(firewall.Verdict)
			return w.verdict(v, at, s, matched, depth)
		case census.StepBranch:
			next, back, ended := w.branches(step, at, s, matched, depth)
			if ended {
				return next, back
			}
			s = next
		default:
			if ends(step.Kind) {
				w.take(at)
				return s.without(matched, why), none
			}
			if step.Kind >= census.StepTProxy {
				w.effects = append(w.effects, at)
			}
		}
	}
	return s, none
}

// ends says whether a statement without a verdict ends the way through the chain.
func ends(k census.StepKind) bool { return k >= census.StepReject && k <= census.StepMasquerade }

// take notes what ends the way.
func (w *walk) take(at stop) {
	switch at.step.Kind {
	case census.StepReject, census.StepForward, census.StepQueue, census.StepDNAT, census.StepRedirect:
		w.stops = append(w.stops, at)
		w.accepted = w.accepted || at.step.Kind == census.StepQueue
	default:
		w.accepted = true
	}
}

// without is what goes on when a rule took what it matched.
func (s state) without(matched cover, why reason) state {
	if matched == all {
		s.reach = none
		return s
	}
	s.reach, s.before = part, s.before|why
	return s
}

// verdict does what a verdict says.
func (w *walk) verdict(v firewall.Verdict, at stop, s state, matched cover, depth int) (state, cover) {
	switch v.Kind {
	case firewall.Drop:
		w.stops = append(w.stops, at)
		return s.without(matched, at.why), none
	case firewall.Return:
		return s.without(matched, at.why), at.reach
	case firewall.Jump, firewall.Goto:
		out := w.through(w.chains[v.Chain], state{reach: at.reach, why: at.why, before: s.before}, depth+1)
		if v.Kind == firewall.Goto {
			return s.without(matched, at.why), out.reach
		}
		if matched == all {
			return state{reach: out.reach, why: s.why, before: out.before}, none
		}
		if out.reach != at.reach {
			s.reach = part
		}
		s.before |= out.before
		return s, none
	default:
		w.accepted = true
		return s.without(matched, at.why), none
	}
}

// branches follows each way of a verdict map that the flow may take. A packet takes one of them, or goes on.
func (w *walk) branches(step *census.Step, at stop, s state, matched cover, depth int) (next state, back cover, ended bool) {
	next = s
	for i := range step.Branches {
		b := &step.Branches[i]
		c, why := part, byUnknown
		if len(b.Fields) > 0 {
			c, why = w.branch(b)
		}
		if c == none {
			continue
		}
		one := at
		if one.reach = min(s.reach, matched, c); c == part {
			one.why |= why
		}
		after, went := w.verdict(b.Verdict, one, s, min(matched, c), depth)
		back = max(back, went)
		if after.reach < next.reach {
			next.reach = after.reach
		}
		next.before |= after.before
		if min(matched, c) == all {
			// Every packet of the flow takes this way: a jump comes back and goes on, the rest ends here.
			return after, back, true
		}
	}
	return next, back, false
}

// branch says how much of the flow takes a way.
func (w *walk) branch(b *census.Branch) (cover, reason) {
	c, why := all, byNothing
	for i, field := range b.Fields {
		one, narrows := w.field(w.flow, firewall.Match{Field: field, Values: b.Values[i : i+1]})
		if c = min(c, one); one == part {
			why |= narrows
		}
	}
	return c, why
}

// chainsOf are a table's chains by their names.
func chainsOf(t *census.Table) map[string]*census.Chain {
	chains := make(map[string]*census.Chain, len(t.Chains))
	for i := range t.Chains {
		chains[t.Chains[i].Name] = &t.Chains[i]
	}
	return chains
}

func setsOf(t *census.Table) map[string]*firewall.Set {
	sets := make(map[string]*firewall.Set, len(t.Sets))
	for i := range t.Sets {
		sets[t.Sets[i].Name] = &t.Sets[i]
	}
	return sets
}

// meets says whether the flow is asked by a base chain of the table at all.
func meets(f *flow, t *census.Table, c *census.Chain) bool {
	if t.Dormant || !slices.Contains(f.hooks, c.Hook.Name) {
		return false
	}
	switch t.Family {
	case "ip":
		if f.family != firewall.NFProtoIPv4 {
			return false
		}
	case "ip6":
		if f.family != firewall.NFProtoIPv6 {
			return false
		}
	case "arp": // what asks for neighbours, or answers: without it no IPv4 packet finds its way on Ethernet
		if f.family != firewall.NFProtoIPv4 || c.Hook.Name != "input" && c.Hook.Name != "output" {
			return false
		}
	}
	// Only the first packet of a connection meets a chain of the type nat.
	return c.Hook.Type != "nat" || f.state == firewall.StateNew
}
