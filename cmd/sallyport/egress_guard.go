package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"sallyport/control"
	"sallyport/firewall"
	"sallyport/firewall/guard"
	"sallyport/netcheck/resolver"
)

const (
	// resolversEvery is how often resolv.conf is read again: a network that comes up must have its resolver at once.
	resolversEvery = 2 * time.Second
	// resolversKept is for how long a resolver is let out that resolv.conf has named.
	resolversKept = 24 * time.Hour
	// learnedAtOnce bounds the names of one telling.
	learnedAtOnce = 1000
)

// know has the guard learn the names of a policy that is about to be put in force, besides those of the one that is, and
// the resolvers at once: what it knows then is in the very transaction that closes the ways out.
func (p *guardProcess) know(ctx context.Context, next firewall.Policy, inForce *firewall.Policy) error {
	policies := []firewall.Policy{next}
	if inForce != nil {
		policies = append(policies, *inForce)
	}
	if err := p.guard.Know(ctx, policies...); err != nil {
		return err
	}
	if err := p.learnResolvers(ctx); err != nil {
		p.log.Warn("the resolvers are not let out", "err", err)
	}
	return nil
}

// untold says that names could not be told to the kernel. They are told again by a later look.
func (p *guardProcess) untold(err error) {
	if err != nil {
		p.log.Warn("addresses of names cannot be told to the kernel", "err", err)
	}
}

// learned takes what the prober says of where names lead. The guard judges it.
func (p *guardProcess) learned(ctx context.Context, body json.RawMessage) (any, error) {
	var told control.Learned
	if err := json.Unmarshal(body, &told); err != nil {
		return nil, err
	}
	if len(told.Names) > learnedAtOnce {
		return nil, errors.New("too many names at once")
	}
	answers := make([]guard.Answer, 0, len(told.Names))
	for _, n := range told.Names {
		if n.Name == resolverFile {
			continue // who the resolvers are this host's own file says, not whoever asks them
		}
		answer := guard.Answer{Name: n.Name}
		for _, a := range n.Addresses {
			ttl := time.Duration(min(max(a.TTL, 0), 1e9)) * time.Second
			answer.Addresses = append(answer.Addresses, guard.Address{Addr: a.Addr, TTL: ttl})
		}
		answers = append(answers, answer)
	}
	refused, err := p.guard.Learn(ctx, answers)
	if err != nil {
		return nil, err
	}
	answer := control.NotLearned{}
	for _, r := range refused {
		answer.Refused = append(answer.Refused, control.RefusedAddress{Name: r.Name, Addr: r.Addr, Why: r.Why})
	}
	return answer, nil
}

// followResolvers lets out to the resolvers of this host, whichever its resolv.conf names from time to time.
func (p *guardProcess) followResolvers(ctx context.Context) error {
	ticker := time.NewTicker(resolversEvery)
	defer ticker.Stop()
	var said string
	for {
		if err := p.learnResolvers(ctx); err == nil {
			said = ""
		} else if ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			p.log.Log(ctx, slog.LevelWarn, "the resolvers are not let out", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (p *guardProcess) learnResolvers(ctx context.Context) error {
	if !p.guard.Expects(ctx, resolverFile) {
		return nil
	}
	servers, err := resolver.AskedResolvers()
	if err != nil {
		return err
	}
	answer := guard.Answer{Name: resolverFile, Own: true}
	for _, s := range servers {
		answer.Addresses = append(answer.Addresses, guard.Address{Addr: s.WithZone(""), TTL: resolversKept})
	}
	_, err = p.guard.Learn(ctx, []guard.Answer{answer})
	return err
}
