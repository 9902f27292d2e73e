package netcheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"

	"sallyport/check"
)

// DNSError is why a name could not be resolved, with the protocol's facts.
type DNSError struct {
	Cause    check.Cause
	Name     string         // escaped, without the final dot
	Type     string         // record type
	Server   netip.AddrPort // who answered, or did not; zero when nobody was asked
	Rcode    string         // NXDOMAIN, SERVFAIL, ...; empty when no answer came
	Extended []DNSExtendedError
	Detail   string // what was seen, escaped
	Err      error  // what the system said; nil when a server answered
}

// Error is one sentence for a person; untrusted text in it is escaped.
func (e *DNSError) Error() string {
	detail := e.Detail
	if detail == "" && e.Err != nil {
		detail = cleanText(e.Err.Error(), maxDNSText)
	}
	switch {
	case e.Server.IsValid() && e.Name != "":
		return fmt.Sprintf("%s %s at %s: %s", e.Name, e.Type, e.Server, detail)
	case e.Name != "":
		return fmt.Sprintf("%s: %s", e.Name, detail)
	default:
		return detail
	}
}

// Unwrap is the system's error.
func (e *DNSError) Unwrap() error { return e.Err }

// definite says whether a stub resolver would take this for the answer, and not ask another server.
func (e *DNSError) definite() bool {
	switch e.Cause {
	case check.DNSNXDomain, check.DNSNoData, check.DNSDangling, check.DNSMismatch:
		return true
	default:
		return false
	}
}

// transportDNSError is why no usable answer came back from a server.
func transportDNSError(ctx context.Context, err error) *DNSError {
	e := &DNSError{Err: err}
	var malformed *malformedReply
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Err, e.Detail = ctx.Err(), "the run was cancelled before an answer came"
	case errors.As(err, &malformed):
		e.Cause, e.Detail = check.DNSMalformed, "sends "+malformed.reason
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		e.Cause, e.Detail = check.DNSMalformed, "closes the TCP connection before its answer is complete"
	case isTimeout(err), errors.Is(err, os.ErrDeadlineExceeded), ctx.Err() != nil:
		e.Cause, e.Detail = check.DNSTimeout, "gives no answer"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Cause, e.Detail = check.DNSUnreachable, "refuses the packet: nothing listens there, or a firewall says so"
	default:
		e.Cause, e.Detail = check.DNSUnreachable, "cannot be reached: "+rootReason(err)
	}
	return e
}

// rootReason is the system call's own word, without the addresses that stand around it.
func rootReason(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return cleanText(err.Error(), maxDNSText)
}

// classifyDNS names the cause of a failed resolution. It knows DNSError, and what Go's resolver says by itself; ok is
// false for an error that does not come from a resolver.
func classifyDNS(err error) (cause check.Cause, detail string, ok bool) {
	var ours *DNSError
	if errors.As(err, &ours) {
		return ours.Cause, ours.Error(), true
	}
	var theirs *net.DNSError
	if !errors.As(err, &theirs) {
		return "", "", false
	}
	detail = cleanText(theirs.Error(), maxDNSText)
	switch {
	case theirs.IsTimeout:
		return check.DNSTimeout, detail, true
	case theirs.IsNotFound:
		return check.DNSNXDomain, detail, true
	case isUnreachableText(theirs.Err):
		return check.DNSUnreachable, detail, true
	default:
		return check.DNSServFail, detail, true
	}
}
