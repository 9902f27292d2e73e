package netcheck

import (
	"errors"

	"sallyport/check"
	"sallyport/netcheck/directory"
)

// maxLDAPText is how many characters of a name or a path of the configuration are shown.
const maxLDAPText = 200

// classifyLDAP names the cause of an operation of LDAP that failed; ok is false for an error that does not come from one.
func classifyLDAP(err error) (cause check.Cause, detail string, ok bool) {
	var told *directory.Error
	if !errors.As(err, &told) {
		return "", "", false
	}
	return told.Cause, told.Error(), true
}
