package directory

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// Operations, as an Error names them.
const (
	OpStartTLS = "StartTLS"
	OpBind     = "bind"
	OpWhoAmI   = "whoami"
	OpRootDSE  = "rootDSE"
	OpSearch   = "search"
)

// CodeNone is the result code of an Error where no result came.
const CodeNone = -1

// Error is why an operation did not succeed, with the protocol's facts.
type Error struct {
	Cause     check.Cause // empty when the run was cancelled
	Operation string      // one of the Op constants
	Code      int         // LDAP result code (RFC 4511 appendix A); CodeNone when no result came
	Data      string      // Active Directory's reason for a refused bind, such as 52e; empty when there is none
	Referrals []string    // where the directory refers to, escaped; at most 8
	Detail    string      // what was seen, escaped
	Err       error       // what the connection said; nil when the directory answered
}

// Error is one sentence for a person; untrusted text in it is escaped.
func (e *Error) Error() string { return e.Operation + ": " + e.Detail }

// Unwrap is the connection's error.
func (e *Error) Unwrap() error { return e.Err }

// BlamesSecret says whether a refused bind may mean that the password is wrong, so that one more try would count
// towards a lockout. For the other reasons Active Directory has found the password right, or has not looked at it
// (775); trying again does no harm, and is the only way to see that the account is in order again.
func (e *Error) BlamesSecret() bool {
	if e.Operation != OpBind {
		return false
	}
	switch e.Cause {
	case check.LDAPInvalidCredentials, check.LDAPBadPassword, check.LDAPNoSuchUser:
		return true
	default:
		return false
	}
}

// refused is the error for a result of a directory.
func refused(operation string, told result, anonymous bool) *Error {
	code := uint16(told.code)
	e := &Error{Operation: operation, Code: told.code, Referrals: told.referrals}
	if told.code == ResultInvalidCredentials {
		e.Data = bindReason(told.message)
	}
	e.Cause = resultCause(operation, code, told.message, anonymous)
	e.Detail = fmt.Sprintf("result %d, %s", told.code, resultName(code))
	if e.Data != "" {
		e.Detail += ", data " + e.Data + " (" + bindReasonName(e.Data) + ")"
	} else if told.message != "" {
		e.Detail += ": " + clean(told.message)
	}
	if len(told.referrals) > 0 {
		e.Detail += ", to " + clean(told.referrals[0])
	}
	return e
}

func resultName(code uint16) string {
	if name, ok := ldap.LDAPResultCodeMap[code]; ok {
		return strings.ToLower(name)
	}
	return "unassigned"
}

// broken explains an operation without a result. Strayed says that messages came which answer no request of ours: half of
// an answer is none of them, but a directory that is slow.
func broken(ctx context.Context, operation string, strayed bool, err error) *Error {
	e := &Error{Operation: operation, Code: CodeNone, Err: err}
	malformed, isMalformed := errors.AsType[*notLDAP](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Detail, e.Err = "the run was given up before it ended", ctx.Err()
	case errors.Is(err, errBudget):
		e.Cause, e.Detail = check.LDAPMalformed, err.Error()
	case isMalformed:
		e.Cause, e.Detail = check.LDAPMalformed, malformed.Error()
	case errors.Is(err, os.ErrDeadlineExceeded) && strayed && operation != OpSearch:
		e.Cause, e.Detail = check.LDAPMalformed, "the directory sends something, but no answer"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		e.Cause, e.Detail = check.LDAPTimeout, "no answer in time"
	case isHangUp(err):
		e.Cause, e.Detail = check.LDAPClosed, "the directory closed the connection: "+reason(err)
	default: // an alert, or a broken record, in the middle of the session
		e.Cause, e.Detail = check.LDAPClosed, "the session broke: "+reason(err)
	}
	return e
}

// isHangUp says whether the peer ended the connection.
func isHangUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

// reason is the system call's own word, without the addresses that stand around it.
func reason(err error) string {
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return clean(err.Error())
}
