package main

import (
	"errors"
	"fmt"

	"sallyport/config"
	"sallyport/firewall"
)

// errFirewallOff ends a command that has nothing to do without a firewall section.
var errFirewallOff = errors.New("the configuration has no firewall section, or its mode is off: there is no ruleset " +
	"(`sallyport init` proposes a section)")

// compile turns the configuration into the ruleset that the kernel should hold. What this version does not build is
// refused: a policy that is only half in force is worse than none.
func compile(conf *config.Config, noManagement bool) (firewall.Ruleset, error) {
	if conf.Firewall.Mode == config.Off {
		return firewall.Ruleset{}, errFirewallOff
	}
	if err := unbuilt(conf.Firewall); err != nil {
		return firewall.Ruleset{}, fmt.Errorf("%s: %w", conf.File, err)
	}
	ruleset, err := firewall.Compile(policyOf(conf.Firewall, noManagement))
	if err != nil {
		return firewall.Ruleset{}, fmt.Errorf("%s: %w", conf.File, err)
	}
	return ruleset, nil
}

func unbuilt(f config.Firewall) error {
	if f.Egress.Mode != config.EgressOpen {
		return fmt.Errorf("firewall.egress.mode: %s is not built in this version: set it to open", f.Egress.Mode)
	}
	if f.Forward == config.ForwardContainers {
		return errors.New("firewall.forward: containers is not built in this version: set it to drop or accept")
	}
	return nil
}

func policyOf(f config.Firewall, noManagement bool) firewall.Policy {
	policy := firewall.Policy{
		Management:   exceptions(f.Management),
		Allow:        exceptions(f.Allow),
		Ping:         f.Ping,
		Forward:      firewall.ForwardDrop,
		NoManagement: noManagement,
	}
	if f.Forward == config.ForwardAccept {
		policy.Forward = firewall.ForwardAccept
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
