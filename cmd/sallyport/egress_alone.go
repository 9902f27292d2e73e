package main

import (
	"context"
	"time"

	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/netcheck/resolver"
)

const (
	// aloneFor is how long names lead where they led when a ruleset was put in force without a guard that follows them.
	aloneFor = 24 * time.Hour
	// resolveAlone bounds the resolving of all names then.
	resolveAlone = 5 * time.Second
)

// noteAlone is what to say of a ruleset with names that nobody follows.
const noteAlone = "no guard runs: names are let out where they lead now, for a day; `sallyport run` follows them"

// taught is the candidate's ruleset with its names taught.
func (c candidate) taught(ctx context.Context) firewall.Ruleset {
	return taught(ctx, c.policy, c.ruleset)
}

// taught is the ruleset of a policy with the addresses to which its names and the resolvers lead now. A name that cannot
// be resolved leads nowhere until a guard runs.
func taught(ctx context.Context, policy firewall.Policy, ruleset firewall.Ruleset) firewall.Ruleset {
	ctx, cancel := context.WithTimeout(ctx, resolveAlone)
	defer cancel()
	resolvers := guard.Answer{Name: resolverFile, Own: true}
	servers, _ := resolver.AskedResolvers() // none: then no name leads anywhere either
	for _, s := range servers {
		resolvers.Addresses = append(resolvers.Addresses, guard.Address{Addr: s.WithZone(""), TTL: aloneFor})
	}
	answers := []guard.Answer{resolvers}
	for name := range firewall.LearnedSets(policy) {
		if name == resolverFile {
			continue
		}
		found, err := resolver.Addresses(ctx, name)
		if err != nil {
			continue
		}
		answer := guard.Answer{Name: name}
		for _, a := range found.Addresses {
			answer.Addresses = append(answer.Addresses, guard.Address{Addr: a.Addr, TTL: aloneFor})
		}
		answers = append(answers, answer)
	}
	return guard.Taught(policy, ruleset, answers)
}
