package directory

import (
	"strings"

	"sallyport/check"
)

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

// BindCause is the cause of a refused bind (resultCode 49), by the server's message: what Active Directory's reason stands
// for, else that the credentials are wrong.
func BindCause(message string) check.Cause { return bindCause(bindReason(message)) }

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
