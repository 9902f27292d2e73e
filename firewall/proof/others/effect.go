package others

import (
	"fmt"
	"slices"
	"strings"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// effects finds who keeps the host's own connections from being known: the answers to them are let in because connection
// tracking knows them, and for nothing else.
func effects(c census.Census, _ firewall.Policy, budget *int) []Finding {
	flows := ownFlows(c)
	worst, order := make(map[spot]stop), []spot(nil)
	for i := range c.Tables {
		t := &c.Tables[i]
		for f := range flows {
			for _, w := range walks(c, t, &flows[f], budget) {
				for _, s := range w.effects {
					if s.step.Kind != census.StepNotrack && s.step.Kind != census.StepZone {
						continue
					}
					at := spotOf(t, s)
					if old, seen := worst[at]; !seen {
						order = append(order, at)
						worst[at] = s
					} else if s.reach > old.reach {
						worst[at] = s
					}
				}
			}
		}
	}
	var list []Finding
	for _, at := range order {
		list = append(list, untrackedFinding(at, worst[at]))
	}
	return list
}

func untrackedFinding(at spot, s stop) Finding {
	f := Finding{
		Grade: check.Warn, Cause: check.FirewallBypass, Table: at.table, Chain: at.chain, Handle: at.handle, Rule: at.rule,
		Remedy: "Remove it, or narrow it to ports that the host serves, not such as it asks others on.",
	}
	what := "hides"
	if s.step.Kind == census.StepZone {
		what = "puts into another zone of connection tracking"
	} else if s.reach == all {
		f.Grade = check.Fail
	}
	scope := "some of the host's own connections"
	if s.reach == all {
		scope = "all of the host's own connections of a kind"
	}
	f.Detail = fmt.Sprintf("it %s %s%s: their answers look like no answers, and are dropped", what, scope, s.why.text())
	return f
}

// translations finds what changes, leads or copies packets before the policy judges them.
func translations(c census.Census, p firewall.Policy, budget *int) []Finding {
	var list []Finding
	seen := make(map[spot]bool)
	for i := range c.Tables {
		t := &c.Tables[i]
		scan(t, budget, func(base, at *census.Chain, r *census.Rule, s *census.Step, of scope) {
			where := spot{table: t.String(), chain: at.Name, handle: r.Handle, rule: r.String()}
			if seen[where] {
				return
			}
			if f, ok := translation(c, p, base.Hook.Name, s, of); ok {
				seen[where] = true
				f.Table, f.Chain, f.Handle, f.Rule = where.table, where.chain, where.handle, where.rule
				list = append(list, f)
			}
		})
	}
	return list
}

// translation judges one statement.
func translation(c census.Census, p firewall.Policy, hook string, s *census.Step, of scope) (Finding, bool) {
	if hook == "prerouting" || hook == "ingress" {
		switch s.Kind {
		case census.StepDNAT, census.StepRedirect:
			return nat(c, p, s, of)
		case census.StepTProxy:
			return proxied(p, s, of)
		}
	} else if s.Kind != census.StepOffload {
		return Finding{}, false // behind the policy, or not in the way of what comes in
	}
	return led(p, hook, s)
}

// led judges what takes packets past the policy, or shows it others than came.
func led(p firewall.Policy, hook string, s *census.Step) (Finding, bool) {
	f := Finding{Grade: check.Warn, Cause: check.FirewallBypass}
	switch {
	case hook == "ingress" && s.Kind == census.StepForward:
		f.Detail = "it sends packets out of another interface before any of the policy's chains is asked"
		f.Remedy = "Remove it, or say `forward: accept`, so that the policy says what is."
		if f.Grade = check.Fail; p.Forward != firewall.ForwardDrop {
			f.Grade = check.OK
		}
	case s.Kind == census.StepDuplicate:
		f.Detail = "it sends a copy of packets elsewhere, whatever the policy says of them"
		f.Remedy = "Remove it if nobody is meant to listen."
	case s.Kind == census.StepRewrite:
		f.Detail = "it overwrites an address or a port before the policy judges the packet, which then is judged as another"
		f.Remedy = "Remove it: what the policy lets in is told by addresses and ports."
	case s.Kind == census.StepOffload:
		f.Detail = "connections that are offloaded pass by the policy's forward chain until they end"
		f.Remedy = "Remove it, or say `forward: accept`, so that the policy says what is."
		if p.Forward != firewall.ForwardDrop {
			f.Grade = check.OK
		}
	default:
		return Finding{}, false
	}
	if f.Grade == check.OK {
		f.Remedy = ""
	}
	return f, true
}

// nat judges what changes the destination of packets before the policy sees it.
func nat(c census.Census, p firewall.Policy, s *census.Step, of scope) (Finding, bool) {
	if !of.reachesHost(c) {
		return Finding{}, false
	}
	if s.Kind == census.StepDNAT && leadsAway(c, s.To) {
		f := Finding{Grade: check.OK, Cause: check.FirewallBypass}
		f.Detail = fmt.Sprintf("it leads %s elsewhere; `forward: %s` leaves it to others whether that is passed on",
			scopeText(of), p.Forward)
		if p.Forward == firewall.ForwardDrop {
			f.Detail = fmt.Sprintf("it leads %s elsewhere, where `forward: drop` does not let it go", scopeText(of))
		}
		return f, true
	}
	if s.To.First == 0 {
		return Finding{}, false // the port stays as it was
	}
	return redirected(p, s, of), true
}

// redirected judges what brings packets for one port to another of this host.
func redirected(p firewall.Policy, s *census.Step, of scope) Finding {
	target := firewall.Ports{First: s.To.First, Last: s.To.Last}
	f := Finding{Grade: check.OK, Cause: check.FirewallBypass}
	f.Detail = fmt.Sprintf("it brings %s to port %d, and the policy judges it as a packet to that port", scopeText(of),
		target.First)
	if names := namedBy(p, of, target); len(names) > 0 {
		f.Grade = check.Warn
		f.Detail += ": whoever " + strings.Join(names, ", ") + " lets in gets there by a port that the policy does not name"
		f.Remedy = "Remove it, or name the port under `firewall: allow`, so that the policy says what is."
	}
	return f
}

// namedBy are the exceptions that have a port of the target and not all ports that packets to it were for.
func namedBy(p firewall.Policy, of scope, target firewall.Ports) []string {
	var names []string
	for _, e := range slices.Concat(p.Management, p.Allow) {
		for _, protocol := range of.protocols() {
			target.Protocol = protocol
			if !meetsPorts(e.Ports, target) {
				continue
			}
			named := !slices.ContainsFunc(of.ports(), func(r firewall.Range) bool {
				return !covers(e.Ports, firewall.Ports{Protocol: protocol, First: uint16(r.First), Last: uint16(r.Last)})
			})
			if !named && !slices.Contains(names, e.Name) {
				names = append(names, e.Name)
			}
		}
	}
	return names
}

// meetsPorts says whether one of the ranges has one of the ports.
func meetsPorts(list []firewall.Ports, ports firewall.Ports) bool {
	return slices.ContainsFunc(list, func(l firewall.Ports) bool {
		return l.Protocol == ports.Protocol && l.First <= ports.Last && ports.First <= l.Last
	})
}

// proxied judges what gives packets to another socket than the one of their port. The policy still judges the port that
// they were sent to.
func proxied(p firewall.Policy, s *census.Step, of scope) (Finding, bool) {
	f := Finding{Grade: check.OK, Cause: check.FirewallBypass}
	f.Detail = fmt.Sprintf("it gives %s to another socket of this host", scopeText(of))
	if s.To.First != 0 {
		f.Detail = fmt.Sprintf("it gives %s to the socket of port %d", scopeText(of), s.To.First)
	}
	for _, e := range slices.Concat(p.Management, p.Allow) {
		for _, protocol := range of.protocols() {
			for _, r := range of.ports() {
				if meetsPorts(e.Ports, firewall.Ports{Protocol: protocol, First: uint16(r.First), Last: uint16(r.Last)}) {
					f.Grade = check.Warn
					f.Detail += ": what " + e.Name + " lets in is answered there, by a program that the policy does not name"
					f.Remedy = "Remove it, or narrow it to ports that the policy does not name."
					return f, true
				}
			}
		}
	}
	return f, true
}

// scopeText is which packets a rule is about, in a few words.
func scopeText(of scope) string {
	protocol := "packets"
	if of.protocol != 0 {
		protocol = protocolText(of.protocol) + " packets"
	}
	if of.dport == nil {
		return protocol
	}
	var ports []string
	for _, r := range of.dport[:min(len(of.dport), 3)] {
		text := fmt.Sprint(r.First)
		if r.Last > r.First {
			text = fmt.Sprintf("%d-%d", r.First, r.Last)
		}
		ports = append(ports, text)
	}
	text := protocol + " for port " + strings.Join(ports, ", ")
	if more := len(of.dport) - len(ports); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// flowtables finds tables of connections that bypass all chains.
func flowtables(c census.Census, p firewall.Policy) []Finding {
	var list []Finding
	for _, t := range c.Tables {
		for _, flowtable := range t.Flowtables {
			f := Finding{
				Grade: check.OK, Cause: check.FirewallBypass, Table: t.String(), Rule: "flowtable " + flowtable.Name,
				Detail: "connections in it pass by all chains between " + strings.Join(flowtable.Devices, ", "),
			}
			if p.Forward == firewall.ForwardDrop && len(flowtable.Devices) > 0 && !t.Dormant {
				f.Grade = check.Warn
				f.Detail += ", also by the one that lets nothing be passed on"
				f.Remedy = "Remove it, or say `forward: accept`, so that the policy says what is."
			}
			list = append(list, f)
		}
	}
	return list
}

// programs judges what hangs on the interfaces. What a BPF program does cannot be told from outside.
func programs(c census.Census, _ firewall.Policy) []Finding {
	var list []Finding
	for _, p := range c.Programs {
		f := Finding{
			Grade: check.OK, Cause: check.FirewallBypass, Table: "interface " + p.Link, Rule: programText(p),
			Detail: "it only sorts packets",
		}
		switch {
		case p.Direct:
			f.Grade = check.Warn
			f.Detail = "a program judges packets at the interface: it may drop what the policy lets in, change addresses, " +
				"or lead packets on before the policy sees them"
			f.Remedy = fmt.Sprintf("See whose it is with `bpftool prog show id %d`; waive this if it is wanted.", p.ID)
		case len(p.Actions) > 0:
			f.Grade = check.Warn
			f.Detail = "a filter acts on packets at the interface (" + strings.Join(p.Actions, ", ") +
				"), where the policy does not see them"
			f.Remedy = fmt.Sprintf("See it with `tc filter show dev %s %s`; remove it, or waive this if it is wanted.",
				p.Link, p.Hook)
		}
		list = append(list, f)
	}
	return list
}

func programText(p census.Program) string {
	text := p.Kind + " " + p.Hook
	if p.ID != 0 {
		text += fmt.Sprintf(" id %d", p.ID)
	}
	if p.Name != "" {
		text += " " + p.Name
	}
	return text
}
