package netcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
)

// The phases of an attempt, as check.PhaseNames lists them.
const (
	phaseDNS     = "dns"
	phaseConnect = "connect"
	phaseTLS     = "tls"
	phaseBind    = "bind"
	phaseSearch  = "search"
)

// attempt is what was seen at one address of a target.
type attempt struct {
	address netip.AddrPort
	phases  []check.Phase
	facts   tlsprobe.Facts
	conn    *tls.Conn // verified, and open only while the attempt's use runs
	err     error     // nil, or an error that Classify understands
}

// phaseError says in which phase an error happened, so that a timeout is blamed on the phase that ran out of time.
type phaseError struct {
	phase string
	err   error
}

func (e *phaseError) Error() string { return fmt.Sprintf("%s: %v", e.phase, e.err) }
func (e *phaseError) Unwrap() error { return e.err }

// timed runs one phase of the attempt, notes how long it took and wraps its error with the phase's name.
func (a *attempt) timed(phase string, run func() error) error {
	start := time.Now()
	err := run()
	a.phases = append(a.phases, check.Phase{Name: phase, Duration: time.Since(start)})
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*phaseError](err); ok {
		return inner
	}
	return &phaseError{phase: phase, err: err}
}

// endpoint is the attempt as a result shows it.
func (a *attempt) endpoint() check.Endpoint {
	e := check.Endpoint{Address: a.address.String(), Status: check.OK, Phases: a.phases}
	if a.err != nil {
		e.Status = check.Fail
		e.Cause, e.Detail = Classify(a.err)
		return e
	}
	if finding, ok := a.facts.Verdict.Headline(); ok {
		e.Status, e.Cause, e.Detail = statusOf(finding.Severity), causeOf(finding.Problem), finding.Words
	}
	return e
}

// use is what is done with a verified connection at one address: nothing, or bind and search. It is called by several
// goroutines at once, one for each address, and must be done when ctx ends. Its error becomes the attempt's.
type use func(ctx context.Context, a *attempt) error
