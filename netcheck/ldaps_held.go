package netcheck

import (
	"errors"
	"time"

	"sallyport/check"
)

// errHeld says why a password was not sent.
type errHeld struct {
	tried tried
	err   error // nil, or why it cannot be written down that it is sent
}

func (e *errHeld) Error() string {
	switch {
	case e.err != nil:
		return "held back: it cannot be written down that the password is tried, so that it is tried once only: " +
			cleanText(e.err.Error(), maxLDAPText)
	case e.tried.State == stateRefused:
		return "held back, so as not to lock the account: " + e.tried.By + " refused this password (" +
			string(e.tried.Cause) + ") at " + e.tried.Since.UTC().Format(time.RFC3339)
	default:
		return "held back, so as not to lock the account: this password was sent to " + e.tried.By + " at " +
			e.tried.Since.UTC().Format(time.RFC3339) + ", and what came of it is not known; it is tried again after " +
			e.until().UTC().Format(time.RFC3339)
	}
}

func (e *errHeld) Unwrap() error { return e.err }

func (e *errHeld) until() time.Time { return e.tried.Since.Add(forgetUnknown) }

// mend is what to do about a cause: for a bind that was not tried, whatever kept it from being tried.
func (r *ldapsRun) mend(cause check.Cause, attempts []attempt) string {
	switch {
	case cause == check.LDAPInvalidCredentials && r.secretErr != nil:
		return r.fill("Have FILE hold the password of USER, and let the user that Sallyport runs as read it: nothing was " +
			"tried.")
	case cause == check.DNSMismatch:
		for i := range attempts {
			if other, ok := errors.AsType[*foreignError](attempts[i].err); ok {
				return other.remedy()
			}
		}
	case cause == check.LDAPNotRetried:
		for i := range attempts {
			if held, ok := errors.AsType[*errHeld](attempts[i].err); ok {
				return r.fill(held.remedy())
			}
		}
	}
	return r.remedy(cause)
}

func (e *errHeld) remedy() string {
	switch {
	case e.err != nil:
		return "Set paths.state to a folder that the user who runs Sallyport may write, with room on its disk: no " +
			"password is tried that could be tried again after a restart."
	case e.tried.State == stateRefused:
		return "Put the right password of USER into FILE; if it was the account that had to be mended, run `sallyport " +
			"check --retry-refused` to have the same password tried once more."
	default:
		return "See that the directory answers a bind of USER in time; `sallyport check --retry-refused` tries the " +
			"password again at once."
	}
}
