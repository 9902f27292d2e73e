package firewall

// addEgress adds what judges packets that the host itself sends.
func (r *Ruleset) addEgress(mode EgressMode, exits []exit) {
	enforce := mode == EgressEnforce
	counter := counterWould
	if enforce {
		counter = counterDropOut
	}
	r.Counters = append(r.Counters, counter)
	r.Sets = append(r.Sets, refusedSets()...)
	r.Chains = append(r.Chains, baseChain(chainOutput, beforeFilter, enforce, chainOutbound, ""),
		outbound(enforce, exits), refused())
	for _, x := range exits {
		r.Counters = append(r.Counters, x.chain())
		r.Sets = append(r.Sets, x.sets()...)
		r.Chains = append(r.Chains, x.rules())
	}
}

// outbound judges what this host sends. Both directions of an established connection are taken on trust here, also of
// those that began before there was this chain: who came in is judged where packets come in, packet by packet, and the
// host's own connections were judged when they began. Conntrack itself knows none that began before a first rule asked for
// it, such as the session over which this ruleset is put in force: of TCP, only what begins a connection is judged. That
// lets nobody out: without a first segment there is no connection, and who can make up others owns the network anyway.
func outbound(enforce bool, exits []exit) Chain {
	accept := Verdict{Kind: Accept}
	rules := []Rule{
		rule("this host's traffic with itself", number(MetaOIF, LoopbackIndex), accept),
		rule("connections that came in, and those that may go out",
			number(CTState, StateEstablished|StateRelated), accept),
		rule("connections that conntrack does not know, and their ends", notFirst(), accept),
		rule("neighbour discovery", neighbourDiscovery(), fromTheLink(), accept),
		// The kernel itself reports the groups that it listens to, by RFC 2710 and 3810 and by RFC 3376 (protocol 2, IGMP).
		rule("multicast membership",
			Match{Field: ICMPv6Type, Values: []Value{Number(131), Number(132), Number(143)}}, accept),
		rule("multicast membership", addr(IPDaddr, "224.0.0.0/4"), number(MetaL4Proto, 2), accept),
		rule("ping", number(ICMPType, 8), accept),
		rule("ping", number(ICMPv6Type, 128), accept),
		rule("DHCPv4", number(MetaNFProto, NFProtoIPv4), number(UDPSport, 68), number(UDPDport, 67), accept),
		rule("DHCPv6", addr(IP6Saddr, "fe80::/10"), number(UDPSport, 546), number(UDPDport, 547), accept),
	}
	for _, x := range exits {
		rules = append(rules, x.jump())
	}
	return Chain{
		Name: chainOutbound, Note: "what this host sends of its own accord", Rules: append(rules, refusal(enforce)...),
	}
}

// refusal is what becomes of the rest. TCP is reset: an ICMP error makes an IPv6 connect wait for a second.
func refusal(enforce bool) []Rule {
	log := func(prefix string) Rule {
		return rule("", Limit{Rate: 30, Per: Minute, Burst: 10}, Log{Prefix: prefix, Level: LevelInfo})
	}
	tally := rule("where to, and who", Match{Field: MetaL4Proto, Values: []Value{Number(6), Number(17)}},
		Verdict{Kind: Jump, Chain: chainRefused})
	if !enforce {
		return []Rule{log("sallyport would refuse out: "), tally, counted(counterWould, Accept)}
	}
	count := Counter{Name: counterDropOut}
	return []Rule{
		log("sallyport out: "), tally,
		rule("", number(MetaL4Proto, Number(TCP)), count, Reject{Kind: TCPReset}),
		rule("", count, Reject{Kind: AdminProhibited}),
	}
}

func refusedSets() []Set {
	return []Set{
		tally(SetRefused4, IPv4Addr, InetProto, InetService, UID),
		tally(SetRefused6, IPv6Addr, InetProto, InetService, UID),
		tally(SetUnowned4, IPv4Addr, InetProto, InetService),
		tally(SetUnowned6, IPv6Addr, InetProto, InetService),
	}
}

// refused keeps where the host wanted to go, and the owner of the socket. A packet without a socket, such as the kernel
// makes, has no owner: the first two rules end there, as they do when their set is full, and the others keep it.
func refused() Chain {
	keep := func(set string, fields ...Field) Rule {
		return rule("", Add{Set: set, Fields: fields, Counter: true}, Verdict{Kind: Return})
	}
	return Chain{Name: chainRefused, Note: "where the host may not go, and who wanted to", Rules: []Rule{
		keep(SetRefused4, IPDaddr, MetaL4Proto, TransportDport, MetaSKUID),
		keep(SetRefused6, IP6Daddr, MetaL4Proto, TransportDport, MetaSKUID),
		keep(SetUnowned4, IPDaddr, MetaL4Proto, TransportDport),
		keep(SetUnowned6, IP6Daddr, MetaL4Proto, TransportDport),
	}}
}
