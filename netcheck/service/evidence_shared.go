package service

import (
	"iter"
	"net"
	"strconv"

	"sallyport/check"
)

// This file is what the evidence says of the things that the service has in common with checks, by which a fault that both
// meet is told as one.

// Meets are the faults of its connections, the worst first, as endpoints: by the name that the checks have for the address,
// and the address, or by the address alone. Of several connections that meet the same at the same address, one is told.
func (e *Evidence) Meets() []check.Endpoint {
	if e == nil {
		return nil
	}
	type place struct {
		remote string
		cause  check.Cause
	}
	told := make(map[place]bool)
	var met []check.Endpoint
	for _, f := range e.met {
		at := place{f.Remote, f.Cause}
		if f.Status != check.Fail && f.Status != check.Warn || told[at] {
			continue
		}
		told[at] = true
		fault := check.Endpoint{Address: f.Remote, Status: f.Status, Cause: f.Cause, Detail: f.Detail}
		if f.host != "" && f.host != f.address {
			fault.Address = net.JoinHostPort(f.host, strconv.Itoa(int(f.port))) + " (" + f.address + ")"
		}
		met = append(met, fault)
	}
	return met
}

// Complains are the complaints of its log that count as of now, each with the checks that find the same.
func (e *Evidence) Complains() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		if e == nil {
			return
		}
		for _, c := range e.Complaints {
			if c.recent && !yield(quoted(c.Text), c.Agrees) {
				return
			}
		}
	}
}
