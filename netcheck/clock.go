package netcheck

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sallyport/check"
	"sallyport/tlsprobe"
)

const (
	// clockTolerance is how far clocks may be apart before Kerberos refuses tickets ([MS-KILE] section 3.1.5; RFC 4120
	// section 1.6 leaves the measure to the site).
	clockTolerance = 5 * time.Minute
	// clockDoubt is how far they must be apart to blame them for dates of certificates: answers take their time, and an
	// HTTP Date counts whole seconds.
	clockDoubt = time.Minute
)

// clockReader asks a server what time it has, over a connection on which TLS was begun and nobody verified: nothing that is
// secret may be said on it, and nothing that it says is believed for more than who is to blame. It must be done when ctx
// ends.
type clockReader func(ctx context.Context, conn *tls.Conn) (time.Time, bool)

// apart is by how much a server's clock is from ours, in words.
func apart(ours, theirs time.Time) string {
	if d := theirs.Sub(ours); d < 0 {
		return tlsprobe.Span(-d) + " behind that of this host"
	}
	return tlsprobe.Span(theirs.Sub(ours)) + " ahead of that of this host"
}

// clockContradicts says whether the server's clock tells that a refused chain is refused only because a clock is wrong:
// nothing is the matter with it but its dates, these are well by that clock, and it is not ours.
func clockContradicts(facts tlsprobe.Facts, ours, theirs time.Time) bool {
	within := func(from, to time.Time) bool { return !theirs.Before(from) && !theirs.After(to) }
	for _, f := range facts.Verdict.Findings {
		if notOfDates(f) || ofDates(f) && !within(f.NotBefore, f.NotAfter) {
			return false
		}
	}
	for _, c := range facts.Certificates {
		if !within(c.NotBefore, c.NotAfter) {
			return false
		}
	}
	return theirs.Sub(ours).Abs() > clockDoubt
}

// ofDates says whether a finding is about a date alone.
func ofDates(f tlsprobe.Finding) bool {
	switch f.Problem {
	case tlsprobe.Expired, tlsprobe.NotYetValid, tlsprobe.ChainExpired, tlsprobe.Expiring:
		return true
	default:
		return false
	}
}

func notOfDates(f tlsprobe.Finding) bool { return !ofDates(f) && f.Severity != tlsprobe.Note }

// clockApart is the opinion of a server that is well but for its clock, or ours; nil where the two agree as far as they
// must. Ahead is by how much the server's is ahead.
func clockApart(now time.Time, ahead time.Duration) *opinion {
	if ahead.Abs() <= clockTolerance {
		return nil
	}
	return &opinion{cause: check.ClockSkew, words: "the clock of the server is " + apart(now, now.Add(ahead)) +
		", further than Kerberos bears: one of the two is wrong"}
}

// byTheirClock asks the server what time it has, where its certificates are refused for their dates alone.
func (a *attempt) byTheirClock(ctx context.Context, options tlsprobe.Options) *opinion {
	now := time.Now()
	findings := a.facts.Verdict.Findings
	if a.clock == nil || !slices.ContainsFunc(findings, ofDates) || slices.ContainsFunc(findings, notOfDates) {
		return nil
	}
	theirs, ok := a.askClock(ctx, options)
	if ok {
		a.noteClock(theirs.Sub(now))
	}
	if !ok || !clockContradicts(a.facts, now, theirs) {
		return nil
	}
	head := findings[0]
	return &opinion{cause: check.ClockSkew, words: fmt.Sprintf("%s; but the clock of the server is %s, and by it the "+
		"certificates are valid: one of the two clocks is wrong", head.Words, apart(now, theirs))}
}

// noteClock writes down by how much the server's clock is ahead of this host's.
func (a *attempt) noteClock(ahead time.Duration) { a.ahead = new(ahead.Milliseconds()) }

// askClock connects once more, and begins TLS without verifying anybody.
func (a *attempt) askClock(ctx context.Context, options tlsprobe.Options) (time.Time, bool) {
	conn, err := a.dialAgain(ctx)
	if err != nil {
		return time.Time{}, false
	}
	defer func() { _ = conn.Close() }()
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} // only the time is asked for
	if _, err := netip.ParseAddr(options.ServerName); err != nil {
		config.ServerName = options.ServerName
	}
	unverified := tls.Client(conn, config)
	if err := unverified.HandshakeContext(ctx); err != nil {
		return time.Time{}, false
	}
	return a.clock(ctx, unverified)
}
