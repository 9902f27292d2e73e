package config

import (
	"time"

	"github.com/goccy/go-yaml/ast"
)

// The bounds of a trial: long enough to type confirm, short enough to be locked out for.
const (
	shortestTrial = 5 * time.Second
	longestTrial  = time.Hour
)

func firewallForm() form[Firewall] {
	return object([]key[Firewall]{
		field("mode", "enforce keeps the ruleset in force; observe never writes, only verifies; off does neither.",
			choice(Enforce, Observe, Off), func(f *Firewall) *Mode { return &f.Mode }).byDefault("enforce"),
		field("ownership", "How the table is held: owner takes the kernel's owner flag, watch sees and repairs, "+
			"auto takes the best that the kernel has.", choice(OwnershipAuto, OwnershipOwner, OwnershipWatch),
			func(f *Firewall) *Ownership { return &f.Ownership }).byDefault("auto").aside(),
		field("management", "The only ways in for those who look after this host.", list(exceptionForm(), 0),
			func(f *Firewall) *[]Exception { return &f.Management }),
		field("allow", "Further ways in.", list(exceptionForm(), 0),
			func(f *Firewall) *[]Exception { return &f.Allow }).byDefault("[]").sample("[]"),
		field("ping", "Whether echo requests are answered.", truth(),
			func(f *Firewall) *bool { return &f.Ping }).byDefault("true"),
		field("forward", "What happens to packets for others: drop; accept; or containers, which lets them pass as well, "+
			"and tells of ports that containers publish and this policy does not name.",
			choice(ForwardDrop, ForwardAccept, ForwardContainers),
			func(f *Firewall) *Forward { return &f.Forward }).byDefault("drop"),
		field("egress", "The ways out.", egressForm(),
			func(f *Firewall) *Egress { return &f.Egress }).byDefault("{}").
			sample("{mode: open, also: [{name: ntp, to: [10.0.0.5], ports: [123/udp]}]}").aside(),
		field("confirm_within", "How long a trial waits for confirm before it undoes itself.",
			duration(shortestTrial, longestTrial),
			func(f *Firewall) *time.Duration { return &f.ConfirmWithin }).byDefault("60s"),
	}, judgeFirewall)
}

func judgeFirewall(r *reader, f *found, w *Firewall) {
	if f.sound("mode", "management") && w.Mode != Off && len(w.Management) == 0 && !r.opts.NoManagement {
		r.wrong(f.at("management"), "add management: [{name: ssh-admins, ports: [22/tcp], from: [your own network]}], "+
			"or start with --no-management if nobody is meant to get in", "this firewall lets nobody in to manage the host")
	}
}

func exceptionForm() form[Exception] {
	return object([]key[Exception]{
		field("name", "A name for it, unique among the exceptions.", names(),
			func(e *Exception) *string { return &e.Name }).needed().sample("ssh-admins"),
		field("ports", "The ports that are let in, with their protocol: 22/tcp, 8000-8010/udp.", list(ports(), 1),
			func(e *Exception) *[]Ports { return &e.Ports }).needed().sample("[22/tcp]"),
		fromKey(),
		field("interfaces", "Only on these interfaces; a trailing * stands for any ending. Without it, on all.",
			list(interfaces(), 1), func(e *Exception) *[]string { return &e.Interfaces }).sample(`[eth0, "ens*"]`).aside(),
	}, func(r *reader, f *found, e *Exception) {
		e.Line = r.place(f.self).Line
		if f.has("name") {
			r.claim("exception", e.Name, f.at("name"))
		}
	})
}

// fromKey is where an exception's packets come from.
func fromKey() key[Exception] {
	senders := list(senders(), 1)
	s := senders.schema
	s.Description = "The networks and addresses that are let in; [any] for everybody."
	s.sample = `[10.20.0.0/24, "2001:db8:20::/64"]`
	return key[Exception]{name: "from", required: true, schema: s, read: func(r *reader, n ast.Node, e *Exception) bool {
		all, ok := senders.read(r, n)
		for _, one := range all {
			if one.any {
				e.Any = true
			} else {
				e.From = append(e.From, one.prefix)
			}
		}
		if ok && e.Any && len(all) > 1 {
			r.wrong(n, "write [any] alone, or remove any", "any stands beside networks that it contains")
			return false
		}
		return ok
	}}
}
