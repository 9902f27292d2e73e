package others

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// Finding is something of others that has to do with the policy, and how bad that is.
type Finding struct {
	// Grade is fail for what certainly goes round the policy or certainly keeps management out, warn for what may, and ok
	// for what is worth knowing: an ordinary Docker or fail2ban host has no worse.
	Grade  check.Status `json:"grade"`
	Cause  check.Cause  `json:"cause"`           // firewall.bypass or firewall.foreign-drop
	Table  string       `json:"table"`           // "ip nat", "legacy ip filter"; the interface of a program
	Chain  string       `json:"chain,omitempty"` // empty for a program
	Handle uint64       `json:"handle,omitempty"`
	Rule   string       `json:"rule"`             // in nft words, as near as could be told
	Detail string       `json:"detail"`           // what it does to the policy
	Remedy string       `json:"remedy,omitempty"` // what to do about it
}

const (
	maxFindings = 50      // that are told
	maxRules    = 1 << 20 // that are looked at, each as often as a flow comes by it
)

// String is the finding on one line.
func (f Finding) String() string {
	where := "table " + f.Table
	if f.Chain != "" {
		where += ", chain " + f.Chain
	}
	switch {
	case f.Handle == 0:
	case strings.HasPrefix(f.Table, "legacy "):
		where += fmt.Sprintf(", rule %d", f.Handle) // as iptables counts them
	default:
		where += fmt.Sprintf(", rule handle %d", f.Handle) // as nft -a shows it, and nft delete rule takes it
	}
	return fmt.Sprintf("%s: `%s`: %s", where, f.Rule, f.Detail)
}

// Interference says what others' rules and programs can do to the policy, the worst first, at most fifty. It is pure. An
// accept of another cannot undo our drop, nor an earlier accept ours: each base chain judges by itself, and a packet must
// pass them all (nf_hook_slow). So what matters is who drops what the policy lets in, who changes or leads away a packet
// before the policy sees it, and who lets it not see it at all.
func Interference(c census.Census, p firewall.Policy) []Finding {
	budget := maxRules
	list := slices.Concat(drops(c, p, &budget), effects(c, p, &budget), unanswered(c, p, &budget),
		translations(c, p, &budget), programs(c, p), flowtables(c, p))
	if budget < 0 {
		list = append(list, Finding{
			Grade: check.Warn, Cause: check.FirewallBypass, Table: "all", Rule: "too many",
			Detail: fmt.Sprintf("there are more rules of others than are looked at (%d)", maxRules),
		})
	}
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank(b.Grade), rank(a.Grade)), cmp.Compare(a.Cause, b.Cause))
	})
	return list[:min(len(list), maxFindings)]
}

func rank(s check.Status) int {
	switch s {
	case check.Fail:
		return 2
	case check.Warn:
		return 1
	default:
		return 0
	}
}

// spot is a rule, or the policy of a chain.
type spot struct {
	table, chain string
	handle       uint64
	rule         string
}

// kept is what a spot keeps from getting through.
type kept struct {
	grade check.Status
	stop  stop
	flows map[string]bool // of whom
	whole bool            // all of some flow
}

// drops finds who drops what the policy lets through.
func drops(c census.Census, p firewall.Policy, budget *int) []Finding {
	flows := flowsOf(c, p)
	var list []Finding
	if len(flows) > maxFlows {
		flows = flows[:maxFlows]
		list = append(list, Finding{
			Grade: check.OK, Cause: check.FirewallForeignDrop, Table: "all", Rule: "too many",
			Detail: fmt.Sprintf("the policy has more ways than are looked at (%d)", maxFlows),
		})
	}
	found, order := make(map[spot]*kept), []spot(nil)
	for i := range c.Tables {
		t := &c.Tables[i]
		for f := range flows {
			for _, w := range walks(c, t, &flows[f], budget) {
				for _, s := range w.stops {
					at := spotOf(t, s)
					if found[at] == nil {
						found[at], order = &kept{flows: make(map[string]bool)}, append(order, at)
					}
					found[at].add(w, s)
				}
			}
		}
	}
	for _, at := range order {
		list = append(list, found[at].finding(at))
	}
	return list
}

// walks takes the flow through each base chain of the table.
func walks(c census.Census, t *census.Table, f *flow, budget *int) []*walk {
	var all []*walk
	chains, sets := chainsOf(t), setsOf(t)
	for i := range t.Chains {
		chain := &t.Chains[i]
		if chain.Hook == nil || !meets(f, t, chain) {
			continue
		}
		w := &walk{
			place: place{table: t, sets: sets, links: c.Links, hook: chain.Hook.Name, priority: chain.Hook.Priority},
			flow:  f, chains: chains, budget: budget,
		}
		w.base(chain)
		all = append(all, w)
	}
	return all
}

func spotOf(t *census.Table, s stop) spot {
	at := spot{table: t.String(), chain: s.chain, rule: s.step.Text}
	if s.rule != nil {
		at.handle, at.rule = s.rule.Handle, s.rule.String()
	}
	return at
}

// add takes in that a flow was stopped, or may be.
func (k *kept) add(w *walk, s stop) {
	certain := !w.accepted && s.step.Kind != census.StepQueue
	grade := gradeOf(w.flow, s, certain)
	switch {
	case w.table.Family == "bridge" && grade == check.Fail:
		grade = check.Warn // only where the packets come by a bridge
	case w.table.Family == "arp" && certain:
		grade = check.Warn // only where neighbours are asked for by ARP
	case w.table.Family == "arp":
		grade = check.OK // which addresses a host answers for is chosen so (arptables, LVS)
	}
	if len(k.flows) == 0 || rank(grade) > rank(k.grade) {
		k.grade, k.stop = grade, s
	}
	k.whole = k.whole || certain
	k.flows[w.flow.of] = true
}

// gradeOf says how bad it is that a flow is stopped. What is narrowed to a rate or to addresses is what fail2ban and the
// like do all day: that is no alarm unless the addresses are some of those that the exception names.
func gradeOf(f *flow, s stop, certain bool) check.Status {
	why := s.why
	if why == byNothing && s.before == byRate {
		why = byRate
	}
	switch {
	case certain && f.kind == ofManagement:
		return check.Fail
	case certain:
		return check.Warn
	case why&(byRate|byList) != 0:
		return check.OK
	case why&bySource != 0 && f.any:
		return check.OK
	case f.kind == ofManagement:
		return check.Warn
	default:
		return check.OK
	}
}

func (k *kept) finding(at spot) Finding {
	names := slices.Sorted(maps.Keys(k.flows))
	whom := strings.Join(names[:min(len(names), 3)], ", ")
	if more := len(names) - 3; more > 0 {
		whom += fmt.Sprintf(" and %d more", more)
	}
	verb := map[census.StepKind]string{
		census.StepQueue: "gives to a program", census.StepForward: "sends out of another interface",
		census.StepDNAT: "leads elsewhere", census.StepRedirect: "leads to another port",
	}[k.stop.step.Kind]
	if verb == "" {
		verb = "drops"
	}
	f := Finding{
		Grade: k.grade, Cause: check.FirewallForeignDrop, Table: at.table, Chain: at.chain, Handle: at.handle, Rule: at.rule,
		Remedy: "Remove it, or let it accept the exception's sources before it. Do not run two firewalls.",
	}
	arp := strings.HasPrefix(at.table, "arp ")
	switch {
	case arp && k.whole:
		f.Detail = fmt.Sprintf("it %s ARP, without which no IPv4 packet of %s finds its way on Ethernet", verb, whom)
		f.Remedy = "Remove it, or let it accept what asks for this host's addresses, and the answers."
	case arp:
		f.Detail, f.Remedy = fmt.Sprintf("it %s some ARP packets%s", verb, k.stop.why.text()), ""
	case k.whole:
		f.Detail = fmt.Sprintf("it %s every packet of %s", verb, whom)
	case k.grade == check.OK:
		f.Detail = fmt.Sprintf("it %s some packets of %s%s", verb, whom, k.stop.why.text())
		f.Remedy = ""
	default:
		f.Detail = fmt.Sprintf("it %s packets of %s, or may%s", verb, whom, k.stop.why.text())
	}
	return f
}

// text says what narrows a rule.
func (r reason) text() string {
	var parts []string
	for _, one := range []struct {
		bit  reason
		text string
	}{
		{bySource, "by their addresses"}, {byRate, "above a rate"}, {byList, "by a list whose content is not known"},
		{byInterface, "by the interface"}, {byPort, "by the port"}, {byUnknown, "by a condition that cannot be told"},
	} {
		if r&one.bit != 0 {
			parts = append(parts, one.text)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
