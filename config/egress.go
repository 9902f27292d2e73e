package config

import (
	"net/netip"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func egressForm() form[Egress] {
	return object([]key[Egress]{
		field("mode", "open leaves the ways out alone; observe tells what enforce would refuse.",
			choice(EgressOpen, EgressObserve, EgressEnforce),
			func(e *Egress) *EgressMode { return &e.Mode }).byDefault("open"),
		field("also", "Further ways out, besides resolvers, checked endpoints and log servers.", list(destinationForm(), 0),
			func(e *Egress) *[]Destination { return &e.Also }).byDefault("[]"),
	}, nil)
}

func destinationForm() form[Destination] {
	return object([]key[Destination]{
		field("name", "A name for it, unique among the further ways out.", names(),
			func(d *Destination) *string { return &d.Name }).needed().sample("ntp"),
		toKey(),
		field("ports", "The ports there, with their protocol.", list(ports(), 1),
			func(d *Destination) *[]Ports { return &d.Ports }).needed().sample("[123/udp]"),
		field("users", "Only for programs of these users, by name or number. Without it, for all.", list(users(), 1),
			func(d *Destination) *[]string { return &d.Users }).sample("[uds]").aside(),
	}, func(r *reader, f *found, d *Destination) {
		if f.has("name") {
			r.claim("way out", d.Name, f.at("name"))
		}
	})
}

// toKey is where a way out leads.
func toKey() key[Destination] {
	places := list(places(), 1)
	s := places.schema
	s.Description = "The networks, addresses and names that it leads to; [any] for everywhere."
	s.sample = "[10.0.0.5]"
	return key[Destination]{name: "to", required: true, schema: s, read: func(r *reader, n ast.Node, d *Destination) bool {
		all, ok := places.read(r, n)
		for _, one := range all {
			switch {
			case one.any:
				d.Any = true
			case one.name != "":
				d.Names = append(d.Names, one.name)
			default:
				d.To = append(d.To, one.prefix)
			}
		}
		if ok && d.Any && len(all) > 1 {
			r.wrong(n, "write [any] alone, or remove any", "any stands beside places that it contains")
			return false
		}
		return ok
	}}
}

// place is where packets may go: a network, a host by its name, or anywhere.
type place struct {
	any    bool
	prefix netip.Prefix
	name   string
}

// places is the form of one entry of to. What has a letter that no address has, and neither a colon nor a slash, is a name.
func places() form[place] {
	const pattern = `^(any|[0-9.]+(/[0-9]{1,2})?|[0-9A-Fa-f:.]+(/[0-9]{1,3})?|[0-9A-Za-z._-]+)$`
	return parsed(pattern, func(s string) (place, string, string) {
		addr, err := netip.ParseAddr(s)
		switch low := strings.ToLower(s); {
		case low == "localhost", strings.HasSuffix(low, ".localhost"), addr.IsLoopback():
			return place{}, quote(s) + " is this host itself", "leave it out: what stays on the host is always let out"
		case s == "any":
			return place{any: true}, "", ""
		case strings.EqualFold(s, "any") || s == "*" || s == "all":
			return place{}, quote(s) + " is not a place", "write any, if everywhere is meant"
		case err != nil && strings.ContainsFunc(s, isLetter) && !strings.ContainsAny(s, ":/"):
			message, mend := checkHost(s)
			return place{name: s}, message, mend
		}
		p, message, mend := parsePrefix(s)
		return place{prefix: p}, message, mend
	})
}
