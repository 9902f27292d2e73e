package firewall

import "net/netip"

// The chains that are the same for every host. Defragmentation (priority -400, on as soon as a rule asks for conntrack)
// comes before all of them, so ports and ICMP types are there to be matched in every packet, fragments included.

func number(f Field, n Number) Match { return Match{Field: f, Values: []Value{n}} }

func addr(f Field, prefix string) Match {
	return Match{Field: f, Values: []Value{PrefixAddrs(netip.MustParsePrefix(prefix))}}
}

func notAddr(f Field, prefix string) Match {
	m := addr(f, prefix)
	m.Not = true
	return m
}

func noted(note string, r Rule) Rule {
	r.Note = note
	return r
}

// antispoof drops what claims to come from this host's own inside or from where no route leads back to, before conntrack
// spends anything on it.
func antispoof() Chain {
	accept := Verdict{Kind: Accept}
	const loopback, route = "loopback addresses do not come in from outside", "a source must be where its route leads to"
	return Chain{
		Name: chainAntispoof,
		Note: "before conntrack: sources that cannot be",
		Rules: []Rule{
			// By index, not by name: lo is 1 in every namespace, and another interface could be given its name.
			rule("", number(MetaIIF, LoopbackIndex), accept),
			noted(loopback, counted(counterSpoof, Drop, addr(IPSaddr, "127.0.0.0/8"))),
			noted(loopback, counted(counterSpoof, Drop, addr(IPDaddr, "127.0.0.0/8"))),
			noted(loopback, counted(counterSpoof, Drop, addr(IP6Saddr, "::1/128"))),
			noted(loopback, counted(counterSpoof, Drop, addr(IP6Daddr, "::1/128"))),
			// A DHCP server's answer may come before there is any route to it (RFC 2131 section 4.1).
			rule("DHCP answers come before there is any route",
				number(MetaNFProto, NFProtoIPv4), number(UDPSport, 67), number(UDPDport, 68), accept),
			// A neighbour asks from any address it has, also from one to which the route leads by another interface.
			rule("neighbours need no route", neighbourDiscovery(), fromTheLink(), accept),
			// Path MTU: a host without a default route has none to most routers on the way. An error says which packet it
			// is about, and is judged by that.
			rule("nor do routers on the way", icmpErrors(), accept),
			rule("nor do routers on the way", icmpv6Errors(), accept),
			// 0.0.0.0 asks for an address (DHCP, IGMP queriers); :: is duplicate address detection (RFC 4862 section
			// 5.4.2); link-local sources have their route on every interface, not always in the table that is asked.
			noted(route, counted(counterSpoof, Drop, notAddr(IPSaddr, "0.0.0.0/32"), FIBMissing{})),
			noted(route, counted(counterSpoof, Drop,
				notAddr(IP6Saddr, "::/128"), notAddr(IP6Saddr, "fe80::/10"), FIBMissing{})),
		},
	}
}

// neighbourDiscovery is that of RFC 4861, its inverse (RFC 3122: 141, 142) and certification paths (RFC 3971: 148, 149).
func neighbourDiscovery() Match {
	return Match{Field: ICMPv6Type, Values: []Value{
		Number(133), Number(134), Number(135), Number(136), Number(141), Number(142), Number(148), Number(149),
	}}
}

// fromTheLink is the hop limit that proves that no router passed the packet on (RFC 4861 section 11.2).
func fromTheLink() Match { return number(IP6HopLimit, 255) }

// icmpErrors are unreachable (with it path MTU, RFC 1191), time exceeded and parameter problem (RFC 792).
func icmpErrors() Match {
	return Match{Field: ICMPType, Values: []Value{Number(3), Number(11), Number(12)}}
}

// icmpv6Errors are all there are (RFC 4443 section 3).
func icmpv6Errors() Match {
	return Match{Field: ICMPv6Type, Values: []Value{Number(1), Number(2), Number(3), Number(4)}}
}

// inbound judges what is for this host itself.
func inbound() Chain {
	accept := Verdict{Kind: Accept}
	established := number(CTState, StateEstablished)
	rules := []Rule{
		rule("this host's traffic with itself", number(MetaIIF, LoopbackIndex), accept),
		// Only the reply direction is taken on trust: what came from outside is judged by the policy, packet by packet.
		rule("answers to what this host began", number(CTDirection, 1), established, accept),
		rule("", Match{Field: MetaL4Proto, Values: []Value{Number(1), Number(58)}}, Verdict{Kind: Goto, Chain: chainICMP}),
		rule("DHCPv4 answers, broadcast and before there is an address",
			number(MetaNFProto, NFProtoIPv4), number(UDPSport, 67), number(UDPDport, 68), accept),
		// The question went to a multicast group, so conntrack does not know the answer (RFC 8415 section 7.2).
		rule("DHCPv6 answers", addr(IP6Saddr, "fe80::/10"), addr(IP6Daddr, "fe80::/10"), number(UDPDport, 546), accept),
		rule("the exceptions", Verdict{Kind: Jump, Chain: chainAllow}),
		noted("of a connection that the policy no longer allows", counted(counterRevoked, Drop, established)),
		rule("", number(CTState, StateInvalid), Counter{Name: counterInvalid}, Verdict{Kind: Drop}),
		// IPv4 multicast needs no exception: a host's own IGMP reports go out unasked, and nothing here listens.
		noted("broadcast and multicast: not worth a log line",
			counted(counterNoise, Drop, Match{Field: MetaPktType, Not: true, Values: []Value{Number(0)}})),
	}
	rules = append(rules, knocks()...)
	rules = append(rules,
		logged(notAddr(IPSaddr, "0.0.0.0/32"), setSeen4, IPSaddr),
		logged(notAddr(IP6Saddr, "::/128"), setSeen6, IP6Saddr),
		counted(counterDropIn, Drop))
	return Chain{Name: chainInbound, Note: "what is for this host", Rules: rules}
}

// logged logs who was refused: a few lines a minute for each source, and a bound on all of them together, since sources
// are made up at will. It goes to the kernel log, where journalctl -k, dmesg and every syslog daemon find it without
// further ado; a netlink group would be silence on a host without ulogd. The level is info, so that no console is flooded.
func logged(source Match, set string, field Field) Rule {
	return rule("a log line of who knocked",
		source,
		Add{Set: set, Fields: []Field{field}, Limit: &Limit{Rate: 6, Per: Minute, Burst: 3}},
		Limit{Rate: 1, Per: Second, Burst: 20},
		Log{Prefix: "sallyport in: ", Level: LevelInfo})
}

// icmpIn judges ICMP and ICMPv6. What RFC 4890 section 4.4.1 says must not be dropped is not dropped; redirects, node
// information and the rest, which it leaves to policy (section 4.4.4), are.
func icmpIn(ping bool) Chain {
	accept := Verdict{Kind: Accept}
	v4 := func(types ...Value) Match { return Match{Field: ICMPType, Values: types} }
	v6 := func(types ...Value) Match { return Match{Field: ICMPv6Type, Values: types} }
	related := number(CTState, StateRelated)
	// A flood of errors or echo requests must not cost more than this; it is far above what a host sees.
	limit := Limit{Rate: 100, Per: Second, Burst: 100}
	const multicast, failures = "multicast listeners", "errors and path MTU: known connections first, others up to a rate"
	c := Chain{Name: chainICMP, Note: "RFC 4890 section 4.4", Rules: []Rule{
		rule("neighbour discovery", neighbourDiscovery(), fromTheLink(), accept),
		// Queries and reports come from link-local addresses (RFC 3810 section 5), 151 to 153 are RFC 4286.
		rule(multicast, addr(IP6Saddr, "fe80::/10"), v6(Number(130), Number(131), Number(132), Number(143), Number(151),
			Number(152), Number(153)), accept),
		// A report from :: is of a host that has no address yet (RFC 3590 section 4).
		rule(multicast, addr(IP6Saddr, "::/128"), v6(Number(131), Number(132), Number(143)), accept),
		rule(failures, icmpErrors(), related, accept),
		rule(failures, icmpv6Errors(), related, accept),
		rule(failures, icmpErrors(), limit, accept),
		rule(failures, icmpv6Errors(), limit, accept),
	}}
	if ping {
		c.Rules = append(c.Rules,
			rule("ping", v4(Number(8)), limit, accept),
			rule("ping", v6(Number(128)), limit, accept))
	}
	c.Rules = append(c.Rules, counted(counterDropIn, Drop))
	return c
}

// forwarded passes nothing on, not even what was passed on before: a host that forwards has ForwardAccept.
func forwarded() Chain {
	return Chain{Name: chainForwarded, Note: "what this host would pass on", Rules: []Rule{counted(counterDropFwd, Drop)}}
}
