package proof

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"sallyport/check"
	"sallyport/firewall"
)

// mutant is a ruleset that a wrong compiler could make of hostPolicy.
type mutant struct {
	name   string
	change func(*firewall.Ruleset)
	cause  check.Cause
	want   []string // in the text of the refusal
}

// chain is one of the ruleset, to be changed.
func chain(r *firewall.Ruleset, name string) *firewall.Chain {
	i := slices.IndexFunc(r.Chains, func(c firewall.Chain) bool { return c.Name == name })
	return &r.Chains[i]
}

// without takes the rules that have such a statement out of a chain.
func without(r *firewall.Ruleset, name string, has func(firewall.Statement) bool) {
	c := chain(r, name)
	c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), func(rule firewall.Rule) bool {
		return slices.ContainsFunc(rule.Statements, has)
	})
}

// accepting puts a rule before all others of a chain.
func accepting(r *firewall.Ruleset, name string, matches ...firewall.Statement) {
	c := chain(r, name)
	rule := firewall.Rule{Statements: append(matches, firewall.Verdict{Kind: firewall.Accept})}
	c.Rules = slices.Insert(slices.Clone(c.Rules), 0, rule)
}

func matches(fields ...firewall.Field) func(firewall.Statement) bool {
	return func(s firewall.Statement) bool {
		switch s := s.(type) {
		case firewall.Match:
			return slices.Contains(fields, s.Field)
		case firewall.Lookup:
			return slices.ContainsFunc(s.Fields, func(f firewall.Field) bool { return slices.Contains(fields, f) })
		default:
			return false
		}
	}
}

func jumps(to string) func(firewall.Statement) bool {
	return func(s firewall.Statement) bool {
		v, ok := s.(firewall.Verdict)
		return ok && v.Chain == to
	}
}

func mutants() []mutant {
	return []mutant{
		{"no exceptions", func(r *firewall.Ruleset) { without(r, "inbound", jumps("allow_in")) }, check.FirewallLockout,
			[]string{"management exception ssh-admins: 10.20.0.0 -> 22/tcp by the interface sp-outside was dropped"}},
		{"all accepted", func(r *firewall.Ruleset) { accepting(r, "inbound") }, check.FirewallExposed,
			[]string{"a stranger, 203.0.113.9, got in on 4444/tcp", "which no exception names",
				"got in on 22/tcp by the interface sp-outside, to which no exception lets it"}},
		{"sets swapped", func(r *firewall.Ruleset) {
			for i, s := range r.Sets {
				switch s.Name {
				case "in_ssh-admins_4":
					r.Sets[i].Name = "in_snmp_4"
				case "in_snmp_4":
					r.Sets[i].Name = "in_ssh-admins_4"
				}
			}
		}, check.FirewallLockout, []string{"ssh-admins: 10.20.0.0 -> 22/tcp", "10.20.0.0, got in on 161/udp"}},
		{"last address left out", func(r *firewall.Ruleset) {
			i := slices.IndexFunc(r.Sets, func(s firewall.Set) bool { return s.Name == "in_ssh-admins_6" })
			r.Sets[i].Elements = slices.Clone(r.Sets[i].Elements)
			addrs, _ := r.Sets[i].Elements[0].Key[0].(firewall.Addrs)
			addrs.To = addrs.To.Prev()
			r.Sets[i].Elements[0] = firewall.Element{Key: []firewall.Value{addrs}}
		}, check.FirewallLockout, []string{"2001:db8:20:0:ffff:ffff:ffff:ffff -> 22/tcp"}},
		{"one address more", func(r *firewall.Ruleset) {
			i := slices.IndexFunc(r.Sets, func(s firewall.Set) bool { return s.Name == "in_ssh-admins_4" })
			r.Sets[i].Elements = slices.Clone(r.Sets[i].Elements)
			addrs, _ := r.Sets[i].Elements[0].Key[0].(firewall.Addrs)
			addrs.To = addrs.To.Next()
			r.Sets[i].Elements[0] = firewall.Element{Key: []firewall.Value{addrs}}
		}, check.FirewallExposed, []string{"10.20.1.0, got in on 22/tcp"}},
		{"open policy without a last drop", func(r *firewall.Ruleset) {
			chain(r, "input").Hook.Drop = false
			inbound := chain(r, "inbound")
			inbound.Rules = inbound.Rules[:len(inbound.Rules)-1]
		}, check.FirewallExposed, []string{"got in on 4444/tcp"}},
		{"IPv6 forgotten", func(r *firewall.Ruleset) {
			without(r, "in_ssh-admins", matches(firewall.IP6Saddr))
		}, check.FirewallLockout, []string{"ssh-admins: 2001:db8:20:: -> 22/tcp"}},
		{"neighbour discovery forgotten", func(r *firewall.Ruleset) {
			without(r, "icmp_in", func(s firewall.Statement) bool {
				m, ok := s.(firewall.Match)
				return ok && m.Field == firewall.IP6HopLimit
			})
		}, check.FirewallLockout, []string{"nobody answered to who asked", "the answer of a neighbour was dropped"}},
		{"replies forgotten", func(r *firewall.Ruleset) { without(r, "inbound", matches(firewall.CTDirection)) },
			check.FirewallLockout, []string{"the answer of 203.0.113.9:443 to a connection",
				"the answer of [2001:db8:ffff::9]:53 to a datagram"}},
		{"path MTU forgotten", func(r *firewall.Ruleset) {
			without(r, "icmp_in", func(s firewall.Statement) bool {
				m, ok := s.(firewall.Match)
				return ok && slices.Contains(m.Values, firewall.Value(firewall.Number(3)))
			})
		}, check.FirewallLockout, []string{"path MTU: the word of a router, 198.51.100.9,", "2001:db8:eeee::9,"}},
		{"interfaces forgotten", func(r *firewall.Ruleset) {
			c := chain(r, "allow_in")
			c.Rules = slices.Clone(c.Rules)
			for i, rule := range c.Rules {
				c.Rules[i].Statements = slices.DeleteFunc(slices.Clone(rule.Statements), matches(firewall.MetaIIFName))
			}
		}, check.FirewallExposed, []string{"got in on 8000/tcp by the interface sp-outside, to which no"}},
		{"any protocol", func(r *firewall.Ruleset) {
			accepting(r, "allow_in", firewall.Match{Field: firewall.UDPDport, Values: []firewall.Value{firewall.Number(22)}})
		}, check.FirewallExposed, []string{"got in on 22/udp"}},
		{"established is a free pass", func(r *firewall.Ruleset) {
			accepting(r, "inbound", firewall.Match{
				Field: firewall.TCPSport, Values: []firewall.Value{firewall.Range{First: 40000, Last: 65535}},
			})
		}, check.FirewallExposed, []string{"without beginning a connection"}},
		{"loopback from outside", func(r *firewall.Ruleset) {
			without(r, "antispoof", matches(firewall.IPSaddr))
			accepting(r, "inbound", firewall.Match{Field: firewall.IPSaddr, Values: []firewall.Value{
				firewall.PrefixAddrs(prefixes("127.0.0.0/8")[0])}})
		}, check.FirewallExposed, []string{"claims to come from this host itself, 127.0.0.9"}},
		{"sources from anywhere", func(r *firewall.Ruleset) {
			without(r, "antispoof", func(s firewall.Statement) bool { _, fib := s.(firewall.FIBMissing); return fib })
		}, check.FirewallExposed, []string{
			"whose source is not where the route to it leads, 10.20.0.0", ", 2001:db8:20::, got",
		}},
		{"passed on", func(r *firewall.Ruleset) { accepting(r, "forwarded") }, check.FirewallExposed,
			[]string{"a packet from 203.0.113.9 to 198.51.100.9 was passed on", "a packet from 2001:db8:ffff::9 to"}},
		{"no pings", func(r *firewall.Ruleset) {
			c := chain(r, "icmp_in")
			last := c.Rules[len(c.Rules)-1]
			c.Rules = append(slices.Clone(c.Rules[:len(c.Rules)-3]), last)
		}, check.Internal, []string{"the policy answers pings"}},
		{"an allowed way shut", func(r *firewall.Ruleset) { without(r, "allow_in", jumps("in_snmp")) }, check.Internal,
			[]string{"exception snmp: 10.30.0.0 -> 161/udp"}},
	}
}

func enforcedPolicy() firewall.Policy {
	p := hostPolicy()
	p.Egress = firewall.Egress{Mode: firewall.EgressEnforce, To: []firewall.Destination{
		{Name: "resolver", Ports: ports(firewall.UDP, 53, 53), To: prefixes("10.0.0.53/32", "2001:db8:53::53/128")},
		{Name: "console", Ports: ports(firewall.TCP, 443, 443), To: prefixes("198.51.100.0/24"), Users: []uint32{4242}},
	}}
	return p
}

// TestRehearseRefusesEgress holds the same for what the host itself sends.
func TestRehearseRefusesEgress(t *testing.T) {
	p := enforcedPolicy()
	if done, err := rehearse(t, p, compile(t, p)); err != nil || done.Replies < 8 {
		t.Fatalf("%+v, %v", done, err)
	}
	for name, m := range map[string]struct {
		change func(*firewall.Ruleset)
		want   string
	}{
		"all accepted": {func(r *firewall.Ruleset) { accepting(r, "outbound") },
			"a connection from this host to 203.0.113.9:443 got out, which no destination names"},
		"a destination forgotten": {func(r *firewall.Ruleset) { without(r, "outbound", jumps("out_resolver")) },
			"a datagram from this host to 10.0.0.53:53 was refused"},
		"answers forgotten": {func(r *firewall.Ruleset) {
			without(r, "outbound", matches(firewall.CTState, firewall.TCPFlags))
		},
			"management exception ssh-admins: what this host answers to 10.20.0.0 did not get out"},
	} {
		r := compile(t, p)
		m.change(&r)
		if _, err := rehearse(t, p, r); err == nil || !strings.Contains(err.Error(), m.want) {
			t.Errorf("%s: %v, want %s", name, err, m.want)
		}
	}
}

// TestRehearseRefuses holds that a ruleset which is not what the policy says is found out, and told.
func TestRehearseRefuses(t *testing.T) {
	for _, m := range mutants() {
		t.Run(m.name, func(t *testing.T) {
			p := hostPolicy()
			r := compile(t, p)
			m.change(&r)
			done, err := rehearse(t, p, r)
			var refused *RefusedError
			if !errors.As(err, &refused) {
				t.Fatalf("not refused: %v, %v", done, err)
			}
			if refused.Cause() != m.cause {
				t.Errorf("cause %s, want %s", refused.Cause(), m.cause)
			}
			var all strings.Builder
			for _, w := range refused.Wrong {
				all.WriteString(w.Text + "\n")
			}
			for _, want := range m.want {
				if !strings.Contains(all.String(), want) {
					t.Errorf("not told: %q in\n%s", want, all.String())
				}
			}
		})
	}
}
