package directory

import (
	"strings"

	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// ResultInvalidCredentials is the result code of a refused bind (RFC 4511 appendix A).
const ResultInvalidCredentials = ldap.LDAPResultInvalidCredentials

// resultCause is the cause for a result code. The operation and whether the user is anonymous matter where one code
// has several meanings.
func resultCause(operation string, code uint16, message string, anonymous bool) check.Cause {
	if anonymous && operation != OpStartTLS && refusesAnonymous(code, message) {
		return check.LDAPAnonymousRefused
	}
	switch code {
	case ldap.LDAPResultInvalidCredentials:
		return BindCause(message)
	case ldap.LDAPResultInappropriateAuthentication:
		return check.LDAPInvalidCredentials // the entry has no password to compare with (RFC 4513 section 5.1)
	case ldap.LDAPResultInvalidDNSyntax:
		if operation == OpBind {
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
		return check.LDAPMalformed // neither can be a right answer to what is sent here
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
		return strings.Contains(message, "000004DC") || strings.Contains(message, "successful bind must be completed") ||
			strings.Contains(message, "without authentication") // Samba
	default:
		return false
	}
}
