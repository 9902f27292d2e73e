package others

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sallyport/check"
	"sallyport/firewall"
	"sallyport/firewall/kernel/census"
)

// Published is ports of this host that a rule of others leads to another address: a container's, as a rule.
type Published struct {
	Protocol firewall.Protocol
	Ports    firewall.Ports
	To       netip.Addr // not valid where the rule takes it from a map
	Port     uint16     // the first there; 0: the same as here
	Table    string
	Chain    string
	Handle   uint64
	Narrowed bool // the rule asks for sources as well
}

// String is the publication as a person writes it: 8080/tcp to 172.17.0.2:80 (ip nat DOCKER).
func (p Published) String() string {
	to := "an address of a map"
	if p.To.IsValid() {
		to = p.To.String()
		if p.Port != 0 {
			to = netip.AddrPortFrom(p.To, p.Port).String()
		}
	}
	return fmt.Sprintf("%s to %s (%s %s)", portsText(p.Ports), to, p.Table, p.Chain)
}

// maxPublished bounds what is listed.
const maxPublished = 1000

// PublishedPorts lists the ports that others' DNAT rules lead away from this host, by protocol and port. It is pure.
func PublishedPorts(c census.Census) []Published {
	budget := maxRules
	var list []Published
	for i := range c.Tables {
		t := &c.Tables[i]
		scan(t, &budget, func(base, at *census.Chain, r *census.Rule, s *census.Step, of scope) {
			if s.Kind == census.StepDNAT && base.Hook.Name == "prerouting" && leadsAway(c, s.To) && of.reachesHost(c) {
				list = append(list, publications(t, at, r, s, of)...)
			}
		})
	}
	slices.SortStableFunc(list, func(a, b Published) int {
		return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Ports.First, b.Ports.First),
			strings.Compare(a.Table, b.Table))
	})
	list = slices.Compact(list)
	return list[:min(len(list), maxPublished)]
}

// leadsAway says whether a target is none of the host's own addresses.
func leadsAway(c census.Census, to census.Target) bool {
	return !to.Addr.IsLoopback() && !slices.Contains(c.Addresses, to.Addr) && (to.Addr.IsValid() || to.First == 0)
}

func publications(
	t *census.Table, at *census.Chain, r *census.Rule, s *census.Step, of scope,
) []Published {
	var list []Published
	for _, protocol := range of.protocols() {
		for _, ports := range of.ports() {
			list = append(list, Published{
				Protocol: protocol,
				Ports:    firewall.Ports{Protocol: protocol, First: uint16(ports.First), Last: uint16(ports.Last)},
				To:       s.To.Addr, Port: s.To.First, Table: t.String(), Chain: at.Name, Handle: r.Handle,
				Narrowed: of.source != nil,
			})
		}
	}
	return list
}

// PublishedCheck is the check of what others publish.
func PublishedCheck() check.Check {
	return check.Check{Name: "firewall.published", Kind: check.KindFirewall, Target: "published ports"}
}

// PublishedEvidence is what a result about publications carries.
type PublishedEvidence struct {
	Published []PublishedPort `json:"published"`
}

// PublishedPort is the evidence for one publication.
type PublishedPort struct {
	Ports   string `json:"ports"`
	To      string `json:"to,omitempty"`
	Table   string `json:"table"`
	Chain   string `json:"chain"`
	Handle  uint64 `json:"handle"`
	Verdict string `json:"verdict"` // exposed, named, named for some, dropped
}

// PublishedResult judges publications by the policy. Such packets are passed on, not taken in, so that the ways in do not
// judge them: with `forward: drop` none gets through, else all do, and a port is exposed unless the policy names it for
// everybody.
func PublishedResult(list []Published, p firewall.Policy) check.Result {
	var exposed, some, dead []string
	evidence := make([]PublishedPort, 0, len(list))
	for _, one := range list {
		verdict := one.verdict(p)
		switch verdict {
		case verdictExposed:
			exposed = append(exposed, one.String())
		case verdictSome:
			some = append(some, one.String())
		case verdictDropped:
			dead = append(dead, one.String())
		}
		e := PublishedPort{
			Ports: portsText(one.Ports), Table: one.Table, Chain: one.Chain, Handle: one.Handle, Verdict: verdict,
		}
		if one.To.IsValid() {
			e.To = netip.AddrPortFrom(one.To, one.Port).String()
		}
		evidence = append(evidence, e)
	}
	const remedy = "Publish it on 127.0.0.1 only, stop publishing it, or name the port under `firewall: allow`; " +
		"`forward: drop` passes none on."
	r := check.Result{Status: check.OK, Evidence: PublishedEvidence{Published: evidence}}
	switch {
	case len(exposed) > 0:
		r.Status, r.Cause, r.Remedy = check.Fail, check.FirewallExposed, remedy
		r.Detail = "published to everybody, and not named by the policy: " + first(exposed)
	case len(some) > 0:
		r.Status, r.Cause, r.Remedy = check.Warn, check.FirewallExposed, remedy
		r.Detail = "published to everybody, while the policy names the port for some: " + first(some)
	case len(dead) > 0:
		r.Detail = "published, but dropped here (forward: drop): " + first(dead)
	case len(list) > 0:
		r.Detail = "the policy names every port that others publish"
	default:
		r.Detail = "no rule of others publishes a port"
	}
	return r
}

// The verdicts on a publication.
const (
	verdictExposed = "exposed"
	verdictNamed   = "named"
	verdictSome    = "named for some"
	verdictDropped = "dropped"
)

func (p Published) verdict(policy firewall.Policy) string {
	if policy.Forward == firewall.ForwardDrop {
		return verdictDropped
	}
	verdict := verdictExposed
	for _, e := range slices.Concat(policy.Management, policy.Allow) {
		if !covers(e.Ports, p.Ports) {
			continue
		}
		if e.Any || p.Narrowed {
			return verdictNamed
		}
		verdict = verdictSome
	}
	return verdict
}

// covers says whether one of the ranges has all of the ports.
func covers(list []firewall.Ports, ports firewall.Ports) bool {
	return slices.ContainsFunc(list, func(l firewall.Ports) bool {
		return l.Protocol == ports.Protocol && l.First <= ports.First && ports.Last <= l.Last
	})
}

// first is the first few of a list.
func first(list []string) string {
	const shown = 3
	text := strings.Join(list[:min(len(list), shown)], "; ")
	if more := len(list) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}
