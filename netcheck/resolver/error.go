package resolver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"sallyport/check"
	"sallyport/netcheck/plain"
)

// Error is why a name could not be resolved, with the protocol's facts.
type Error struct {
	Cause    check.Cause // empty where the run was cancelled, or Err is a *SecureError
	Name     string      // escaped, without the final dot
	Type     string      // record type
	Server   string      // who answered, or did not; empty when nobody was asked
	Rcode    string      // NXDOMAIN, SERVFAIL, ...; empty when no answer came
	Extended []ExtendedError
	Fault    Fault
	Minor    bool   // a program that uses the answer is served all the same
	Detail   string // what was seen, escaped
	Err      error  // what the system said; nil when a server answered
}

// Error is one sentence for a person; untrusted text in it is escaped.
func (e *Error) Error() string {
	detail := e.Detail
	if detail == "" && e.Err != nil {
		detail = plain.Text(e.Err.Error(), MaxText)
	}
	switch {
	case e.Server != "" && e.Name != "":
		return fmt.Sprintf("%s %s at %s: %s", e.Name, e.Type, e.Server, detail)
	case e.Name != "":
		return fmt.Sprintf("%s: %s", e.Name, detail)
	default:
		return detail
	}
}

// Unwrap is the system's error.
func (e *Error) Unwrap() error { return e.Err }

// Definite says whether a stub resolver would take this for the answer, and not ask another server.
func (e *Error) Definite() bool {
	switch e.Cause {
	case check.DNSNXDomain, check.DNSNoData, check.DNSMismatch:
		return true
	case check.DNSDangling: // by an answer, or by SERVFAIL and REFUSED, with which the next server is asked
		return !e.Minor && (e.Rcode == "NXDOMAIN" || e.Rcode == "NOERROR")
	default:
		return false
	}
}

// transportError is why no usable answer came back from a server.
func transportError(ctx context.Context, err error) *Error {
	e := &Error{Err: err}
	var malformed *malformedReply
	var unsecured *SecureError
	var http *httpFailure
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Err, e.Detail = ctx.Err(), "the run was cancelled before an answer came"
	case errors.As(err, &unsecured): // for who knows TLS to say
		e.Err = unsecured
	case errors.As(err, &http):
		e.Cause, e.Detail = http.cause, http.detail
	case errors.As(err, &malformed):
		e.Cause, e.Detail = check.DNSMalformed, "sends "+malformed.reason
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		e.Cause, e.Detail = check.DNSMalformed, "closes the connection before its answer is complete"
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
	return plain.Text(err.Error(), MaxText)
}

// Told is what Go's own resolver says of a name, as far as it tells.
func Told(host string, err *net.DNSError) *Error {
	e := &Error{Cause: check.DNSServFail, Name: plain.Text(host, MaxText), Err: err}
	e.Detail = plain.Text(err.Error(), MaxText)
	switch {
	case err.IsTimeout:
		e.Cause = check.DNSTimeout
	case err.IsNotFound:
		e.Cause = check.DNSNXDomain
	case isUnreachableText(err.Err):
		e.Cause = check.DNSUnreachable
	}
	return e
}

// isUnreachableText looks into the words of Go's resolver, which keeps the system's error only as text.
func isUnreachableText(s string) bool {
	for _, part := range []string{"connection refused", "no route to host", "network is unreachable",
		"operation not permitted", "permission denied", "invalid argument"} {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}
