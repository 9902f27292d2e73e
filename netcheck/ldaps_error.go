package netcheck

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// maxLDAPText is how many characters of a directory's words are shown.
const maxLDAPText = 200

// LDAPError is why a bind or a search did not succeed, with the protocol's facts.
type LDAPError struct {
	Cause     check.Cause // empty when the run was cancelled
	Operation string      // bind, rootDSE, search
	Code      int         // LDAP result code (RFC 4511 appendix A); -1 when no result came
	Data      string      // Active Directory's reason for a refused bind, such as 52e; empty when there is none
	Detail    string      // what was seen, escaped
	Err       error       // what the connection said; nil when the directory answered
}

// Error is one sentence for a person; untrusted text in it is escaped.
func (e *LDAPError) Error() string { return e.Operation + ": " + e.Detail }

// Unwrap is the connection's error.
func (e *LDAPError) Unwrap() error { return e.Err }

// classifyLDAP names the cause of a failed bind or search; ok is false for an error that does not come from one.
func classifyLDAP(err error) (cause check.Cause, detail string, ok bool) {
	var ours *LDAPError
	if !errors.As(err, &ours) {
		return "", "", false
	}
	return ours.Cause, ours.Error(), true
}

// resultError is the error for a result code of a directory and the message that came with it.
func resultError(operation string, code uint16, message string, anonymous bool) *LDAPError {
	e := &LDAPError{Operation: operation, Code: int(code)}
	if code == ldap.LDAPResultInvalidCredentials {
		e.Data = bindReason(message)
	}
	e.Cause = resultCause(operation, code, message, anonymous)
	e.Detail = fmt.Sprintf("result %d, %s", code, resultName(code))
	if e.Data != "" {
		e.Detail += ", data " + e.Data + " (" + bindReasonName(e.Data) + ")"
	} else if message != "" {
		e.Detail += ": " + cleanText(message, maxLDAPText)
	}
	return e
}

func resultName(code uint16) string {
	if name, ok := ldap.LDAPResultCodeMap[code]; ok {
		return strings.ToLower(name)
	}
	return "unassigned"
}

// resultCause is the cause for a result code. The operation and whether the user is anonymous matter where one code
// has several meanings.
func resultCause(operation string, code uint16, message string, anonymous bool) check.Cause {
	if anonymous && refusesAnonymous(code, message) {
		return check.LDAPAnonymousRefused
	}
	switch code {
	case ldap.LDAPResultInvalidCredentials:
		return bindCause(bindReason(message))
	case ldap.LDAPResultInappropriateAuthentication:
		return check.LDAPInvalidCredentials // the entry has no password to compare with (RFC 4513 section 5.1)
	case ldap.LDAPResultInvalidDNSyntax:
		if operation == phaseBind {
			return check.LDAPInvalidCredentials
		}
		return check.LDAPBaseNotFound
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultAuthMethodNotSupported:
		return check.LDAPStrongAuthRequired
	case ldap.LDAPResultConfidentialityRequired:
		return check.LDAPConfidentialityRequired
	case ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultAuthorizationDenied:
		return check.LDAPInsufficientAccess
	case ldap.LDAPResultNoSuchObject:
		return check.LDAPBaseNotFound
	default:
		return limitCause(code)
	}
}

// limitCause is the cause for a result code that says that the directory cannot or will not now.
func limitCause(code uint16) check.Cause {
	switch code {
	case ldap.LDAPResultTimeLimitExceeded:
		return check.LDAPTimeLimit
	case ldap.LDAPResultSizeLimitExceeded:
		return check.LDAPSizeLimit
	case ldap.LDAPResultAdminLimitExceeded:
		return check.LDAPAdminLimit
	case ldap.LDAPResultReferral:
		return check.LDAPReferral
	case ldap.LDAPResultBusy:
		return check.LDAPBusy
	case ldap.LDAPResultUnavailable:
		return check.LDAPUnavailable
	case ldap.LDAPResultUnwillingToPerform:
		return check.LDAPUnwilling
	case ldap.LDAPResultProtocolError, ldap.LDAPResultSaslBindInProgress:
		return check.LDAPMalformed // neither can be a right answer to a simple bind or a search of version 3
	default:
		return check.UnknownIn(check.LayerLDAP)
	}
}

// refusesAnonymous says whether the code is a directory's way to keep anonymous users out: OpenLDAP has 48 for the
// bind and 8 or 50 for a search, Active Directory lets the bind pass and has 1 with its error 4DC for a search.
func refusesAnonymous(code uint16, message string) bool {
	switch code {
	case ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultStrongAuthRequired,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultInvalidCredentials:
		return true
	case ldap.LDAPResultOperationsError:
		return strings.Contains(message, "000004DC") || strings.Contains(message, "successful bind must be completed")
	default:
		return false
	}
}

// resultInvalidCredentials is the result code of a refused bind (RFC 4511 appendix A).
const resultInvalidCredentials = ldap.LDAPResultInvalidCredentials

// bindReason is the code that Active Directory gives for a refused bind, in its message:
//
//	80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563
//
// It is empty for a message without one that is known ([MS-ADTS] section 3.1.1.3.1.9; winerror.h).
func bindReason(message string) string {
	const mark = "data "
	for rest := message; ; {
		at := strings.Index(rest, mark)
		if at < 0 {
			return ""
		}
		rest = rest[at+len(mark):]
		end := strings.IndexFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefABCDEF", r) })
		if end < 0 {
			end = len(rest)
		}
		code := strings.ToLower(rest[:end])
		if bindReasonName(code) != "" {
			return code
		}
	}
}

func bindCause(reason string) check.Cause {
	switch reason {
	case "525":
		return check.LDAPNoSuchUser
	case "52e":
		return check.LDAPBadPassword
	case "530":
		return check.LDAPLogonHours
	case "531":
		return check.LDAPWorkstation
	case "532":
		return check.LDAPPasswordExpired
	case "533":
		return check.LDAPAccountDisabled
	case "701":
		return check.LDAPAccountExpired
	case "773":
		return check.LDAPPasswordMustChange
	case "775":
		return check.LDAPAccountLocked
	default:
		return check.LDAPInvalidCredentials
	}
}

func bindReasonName(reason string) string {
	switch reason {
	case "525":
		return "no such user"
	case "52e":
		return "wrong user or password"
	case "530":
		return "not at this time"
	case "531":
		return "not from this machine"
	case "532":
		return "password expired"
	case "533":
		return "account disabled"
	case "701":
		return "account expired"
	case "773":
		return "password must be changed"
	case "775":
		return "account locked out"
	default:
		return ""
	}
}

// blamesSecret says whether a refused bind may mean that the password is wrong, so that one more try would count
// towards a lockout. For the other reasons Active Directory has found the password right, or has not looked at it
// (775); trying again does no harm, and is the only way to see that the account is in order again.
func (e *LDAPError) blamesSecret() bool {
	if e.Operation != phaseBind {
		return false
	}
	switch e.Cause {
	case check.LDAPInvalidCredentials, check.LDAPBadPassword, check.LDAPNoSuchUser:
		return true
	default:
		return false
	}
}
