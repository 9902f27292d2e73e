package main

import (
	"context"
	"errors"
	"fmt"

	"sallyport/config"
	"sallyport/firewall"
	"sallyport/firewall/kernel"
)

// errFirewallOff ends a command that has nothing to do without a firewall section.
var errFirewallOff = errors.New("the configuration has no firewall section, or its mode is off: there is no ruleset " +
	"(`sallyport init` proposes a section)")

// candidate is a configuration with what it makes of the firewall: a policy that may be put in force.
type candidate struct {
	conf    *config.Config
	policy  firewall.Policy
	ruleset firewall.Ruleset
	inForce *firewall.Policy // until then; nil: not known, and the live table is asked
}

// enforces says whether the candidate is to be put in force, and not only to be looked at.
func (c candidate) enforces() bool { return c.conf.Firewall.Mode == config.Enforce }

// ownership says how the table is to be held.
func (c candidate) ownership() kernel.Ownership {
	switch c.conf.Firewall.Ownership {
	case config.OwnershipOwner:
		return kernel.OwnershipOwner
	case config.OwnershipWatch:
		return kernel.OwnershipWatch
	default:
		return kernel.OwnershipAuto
	}
}

// mayComeIn is all that is asked of a candidate before it is written at somebody's command: that it shuts nobody out who is
// connected now, unless by force, and that its rehearsal goes well.
func (c candidate) mayComeIn(ctx context.Context, force bool) error {
	if err := c.unless(ctx, force); err != nil {
		return err
	}
	_, err := c.rehearse(ctx)
	return err
}

// candidate loads what the firewall needs of the configuration, of that digest where one is given, and compiles it.
func (o *options) candidate(digest string) (candidate, error) {
	conf, err := o.expecting(digest, o.loadPolicy)
	if err != nil {
		return candidate{}, err
	}
	return compile(conf, o.noManagement)
}

// compile turns the configuration into the ruleset that the kernel should hold.
func compile(conf *config.Config, noManagement bool) (candidate, error) {
	if conf.Firewall.Mode == config.Off {
		return candidate{}, errFirewallOff
	}
	policy := policyOf(conf.Firewall, noManagement)
	egress, err := egressOf(conf, uidOf)
	if err != nil {
		return candidate{}, fmt.Errorf("%s: %w", conf.File, err)
	}
	policy.Egress = egress
	ruleset, err := firewall.Compile(policy)
	if err != nil {
		return candidate{}, fmt.Errorf("%s: %w", conf.File, err)
	}
	return candidate{conf: conf, policy: policy, ruleset: ruleset}, nil
}

func policyOf(f config.Firewall, noManagement bool) firewall.Policy {
	policy := firewall.Policy{
		Management:   exceptions(f.Management),
		Allow:        exceptions(f.Allow),
		Ping:         f.Ping,
		Forward:      firewall.ForwardDrop,
		NoManagement: noManagement,
	}
	switch f.Forward {
	case config.ForwardAccept:
		policy.Forward = firewall.ForwardAccept
	case config.ForwardContainers:
		policy.Forward = firewall.ForwardContainers
	}
	return policy
}

func exceptions(list []config.Exception) []firewall.Exception {
	out := make([]firewall.Exception, 0, len(list))
	for _, e := range list {
		out = append(out, firewall.Exception{
			Name: e.Name, Ports: ports(e.Ports), From: e.From, Any: e.Any, Interfaces: e.Interfaces,
		})
	}
	return out
}

func ports(list []config.Ports) []firewall.Ports {
	out := make([]firewall.Ports, 0, len(list))
	for _, p := range list {
		protocol := firewall.TCP
		if p.Protocol == "udp" {
			protocol = firewall.UDP
		}
		out = append(out, firewall.Ports{Protocol: protocol, First: p.First, Last: p.Last})
	}
	return out
}
