package firewall

// portMatches are the questions of which one must say yes: the single ports together, and each range by itself. Together
// they would be an anonymous set of intervals, and such a set is empty to packets for some 0.1 ms after the rules that
// look into it (nft_set_commit_update, kernel 6.18), so that each change would drop what it lets in.
func portMatches(field Field, ports []Value) []Match {
	var single []Value
	var matches []Match
	for _, p := range ports {
		if _, ok := p.(Range); ok {
			matches = append(matches, Match{Field: field, Values: []Value{p}})
		} else {
			single = append(single, p)
		}
	}
	if len(single) > 0 {
		matches = append([]Match{{Field: field, Values: single}}, matches...)
	}
	return matches
}

// portsOf are the questions for all ports, of TCP first.
func portsOf(tcp, udp []Value) []Match {
	return append(portMatches(TCPDport, tcp), portMatches(UDPDport, udp)...)
}
