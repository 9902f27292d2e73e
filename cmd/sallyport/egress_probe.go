package main

import (
	"context"
	"path/filepath"
	"time"

	"sallyport/config"
	"sallyport/control"
	"sallyport/netcheck/follower"
)

// firstNames is how long the first round of checks waits at most until the guard lets out to where names lead.
const firstNames = 5 * time.Second

// newFollower follows the names that a configuration lets out, and tells the guard of its folder.
func newFollower(conf *config.Config) (*follower.Follower, error) {
	f := follower.New(teaching(filepath.Join(conf.Paths.Runtime, control.GuardSocket)))
	names, err := followedNames(conf)
	if err != nil {
		return nil, err
	}
	f.Follow(names)
	return f, nil
}

// teaching tells the guard behind a socket where names lead.
func teaching(socket string) follower.Teach {
	return func(ctx context.Context, told []follower.Telling) ([]follower.Barred, error) {
		var request control.Learned
		for _, t := range told {
			name := control.LearnedName{Name: t.Name}
			for _, a := range t.Addresses {
				name.Addresses = append(name.Addresses,
					control.LearnedAddress{Addr: a.Addr, TTL: int64(a.TTL / time.Second)})
			}
			request.Names = append(request.Names, name)
		}
		var answer control.NotLearned
		if err := control.Call(ctx, socket, control.VerbLearned, request, &answer); err != nil {
			return nil, err
		}
		barred := make([]follower.Barred, 0, len(answer.Refused))
		for _, r := range answer.Refused {
			barred = append(barred, follower.Barred{Name: r.Name, Addr: r.Addr, Why: r.Why})
		}
		return barred, nil
	}
}

// awaitNames waits until the names of the checks lead somewhere, which the checks would be refused before.
func (p *probeProcess) awaitNames(ctx context.Context) {
	select {
	case <-p.follower.Tried():
	case <-ctx.Done():
	case <-time.After(firstNames):
	}
}
