package netcheck

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sallyport/check"
	"sallyport/netcheck/dial"
	"sallyport/tlsprobe"
)

// The phases of an attempt, as check.PhaseNames lists them.
const (
	phaseDNS      = "dns"
	phaseConnect  = "connect"
	phaseProxy    = "proxy"
	phaseStartTLS = "starttls"
	phaseTLS      = "tls"
	phaseHTTP     = "http"
	phaseBind     = "bind"
	phaseSearch   = "search"
)

// attempt is what was seen at one address of a target.
type attempt struct {
	address netip.AddrPort
	host    string               // host:port, of one of several servers; empty: the target has one
	alone   bool                 // no other address of that host
	from    dial.Options         // every connection of the attempt is made from there
	via     *via                 // and through that proxy; nil: through none
	local   netip.AddrPort       // which the first of them had
	before  []step               // taken on each connection before TLS begins
	clock   clockReader          // asks the server what time it has; nil where it has no way to tell
	fetch   tlsprobe.FetchIssuer // of certificates that the server left out; nil where they are not fetched
	shown   *certificates        // of what the check was shown before; nil remembers nothing
	java    *javaView            // the service's Java; nil where the check is not judged by it
	asked   *javaOpinion         // what it thinks of the chain; nil where it was not asked
	blocks  *blocks              // of what is known of who blocks the address here; nil: nobody is asked
	blocker *Blocker             // on this host, which ended the connection; nil: none is known
	revoke  *revocations         // whether the certificates were revoked; nil: nobody is asked
	ahead   *int64               // milliseconds of the server's clock before ours; nil where it did not tell
	phases  []check.Phase
	options tlsprobe.Options // of its handshakes
	facts   tlsprobe.Facts
	conn    *tls.Conn    // verified, and open only while the attempt's use runs
	answer  *dial.Answer // to the HTTP request; nil: none
	err     error        // nil, or an error that Classify understands
	warning *opinion     // of an address that is well otherwise; nil: none
	skipped string       // why the address does not count; empty when it does
	own     string       // what is wrong with this host's own certificate, which servers may ask for; empty for nothing
}

// use is what is done with a verified connection at one address: nothing, or bind and search. It is called by several
// goroutines at once, one for each address, and must be done when ctx ends. Its error becomes the attempt's.
type use func(ctx context.Context, a *attempt) error

// step is what must be said on a connection before TLS begins on it: to a proxy, or to a directory. It leaves nothing
// unread, must be done when ctx ends, and its error is one that Classify understands. It is a phase of the attempt, and is
// taken again on each connection that is made for a second opinion.
type step struct {
	phase string
	run   func(ctx context.Context, conn net.Conn) error
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

// endpoint is the attempt as a result shows it. A certificate that is trusted, but not for long, is found in an attempt
// without an error.
func (a *attempt) endpoint() check.Endpoint {
	e := check.Endpoint{Address: a.label(), Status: check.OK, Phases: a.phases}
	finding, found := a.facts.Verdict.Headline()
	switch {
	case a.skipped != "":
		e.Status, e.Detail = check.Skipped, a.skipped
	case a.err != nil:
		e.Status = check.Fail
		if e.Cause, e.Detail = Classify(a.err); e.Cause == "" {
			e.Status = check.Unknown
		}
		if told, ok := errors.AsType[*opinion](a.err); ok && told.status != check.Unknown {
			e.Status = told.status
		}
		if e.Cause == check.TLSClientCertificate && a.own != "" {
			e.Detail += "; " + a.own
		}
	case found:
		e.Status, e.Cause, e.Detail = statusOf(finding.Severity), causeOf(finding.Problem), finding.Words
	case a.warning != nil:
		e.Status, e.Cause, e.Detail = check.Warn, a.warning.cause, a.warning.words
	case a.own != "":
		e.Status, e.Cause, e.Detail = check.Warn, check.TLSClientCertificate, a.own
	}
	if e.Cause.Layer() == check.LayerCertificate {
		e.Detail += a.further()
	}
	return e
}

// label is the attempt's address as a result shows it.
func (a *attempt) label() string {
	if a.via != nil {
		return a.via.label()
	}
	switch {
	case a.host == "":
		return a.address.String()
	case a.alone:
		return a.host
	default:
		return a.host + " (" + a.address.Addr().String() + ")"
	}
}

// further names the problems of the certificates besides the headline.
func (a *attempt) further() string {
	findings := slices.DeleteFunc(slices.Clone(a.facts.Verdict.Findings), func(f tlsprobe.Finding) bool {
		return f.Severity == tlsprobe.Note
	})
	if len(findings) < 2 {
		return ""
	}
	var words []string
	for _, f := range findings[1:min(len(findings), 4)] {
		words = append(words, f.Words)
	}
	return "; also " + strings.Join(words, "; ")
}
