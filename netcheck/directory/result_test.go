package directory

import (
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

func TestBindReason(t *testing.T) {
	t.Parallel()
	const before = "80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, "
	for message, want := range map[string]string{
		before + "data 52e, v4563":               "52e",
		before + "data 52E, v2580\x00":           "52e",
		before + "data 775":                      "775",
		before + "data 7751, v1":                 "",
		before + "data 0, v4563":                 "",
		"Simple Bind Failed: NT_STATUS_LOGON":    "",
		"data data 525":                          "525",
		"no data 1; data 701":                    "701",
		"":                                       "",
		"data ":                                  "",
		"metadata 533":                           "533",
		"80090346: data 80090346, then data 532": "532",
	} {
		if got := bindReason(message); got != want {
			t.Errorf("%q: got %q; want %q", message, got, want)
		}
	}
}

// FuzzBindReason holds that no message of a directory breaks the reading of it, or gets unescaped into a sentence.
func FuzzBindReason(f *testing.F) {
	f.Add("80090308: LdapErr: DSID-0C09041C, comment: AcceptSecurityContext error, data 52e, v4563", uint16(49))
	f.Add("\x1b]0;data 775\u202e", uint16(1))
	f.Add("data data data 5", uint16(65535))
	f.Fuzz(func(t *testing.T, message string, code uint16) {
		for _, anonymous := range []bool{false, true} {
			e := refused(OpBind, result{code: int(code), message: message}, anonymous)
			if e.Cause == "" || e.Cause.Layer() != check.LayerLDAP {
				t.Errorf("code %d has the cause %q", code, e.Cause)
			}
			given := strings.Contains(strings.ToLower(message), "data "+e.Data)
			if e.Data != "" && (bindReasonName(e.Data) == "" || !given) {
				t.Errorf("reason %q of %q", e.Data, message)
			}
			if text := e.Error(); len(text) > 3*maxShown || !printable(text) {
				t.Errorf("sentence %q", text)
			}
		}
	})
}

// TestResultCauses holds the whole table of result codes that CAUSES.md names, and that 0 to 80 have a layer.
func TestResultCauses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		operation string
		code      uint16
		anonymous bool
		want      check.Cause
	}{
		{OpSearch, 3, false, check.LDAPTimeLimit}, {OpSearch, 4, false, check.LDAPSizeLimit},
		{OpBind, 7, false, check.LDAPStrongAuthRequired}, {OpBind, 8, false, check.LDAPStrongAuthRequired},
		{OpSearch, 8, true, check.LDAPAnonymousRefused}, {OpSearch, 10, false, check.LDAPReferral},
		{OpSearch, 11, false, check.LDAPAdminLimit}, {OpBind, 13, false, check.LDAPConfidentialityRequired},
		{OpSearch, 32, false, check.LDAPBaseNotFound}, {OpBind, 34, false, check.LDAPInvalidCredentials},
		{OpSearch, 34, false, check.LDAPBaseNotFound}, {OpBind, 48, true, check.LDAPAnonymousRefused},
		{OpBind, 48, false, check.LDAPInvalidCredentials}, {OpBind, 49, false, check.LDAPInvalidCredentials},
		{OpSearch, 50, false, check.LDAPInsufficientAccess}, {OpSearch, 50, true, check.LDAPAnonymousRefused},
		{OpSearch, 51, false, check.LDAPBusy}, {OpSearch, 52, false, check.LDAPUnavailable},
		{OpSearch, 53, false, check.LDAPUnwilling}, {OpSearch, 2, false, check.LDAPMalformed},
		{OpSearch, 123, false, check.LDAPInsufficientAccess},
		{OpSearch, 80, false, check.UnknownIn(check.LayerLDAP)},
	}
	for _, tt := range tests {
		err := refused(tt.operation, result{code: int(tt.code)}, tt.anonymous)
		if err.Cause != tt.want || !strings.Contains(err.Error(), "result ") {
			t.Errorf("%+v: got %q: %s", tt, err.Cause, err)
		}
	}
}

// printable says whether a text is printable ASCII.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func TestRootDSETime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"20260102030405.0Z":     "2026-01-02T03:04:05Z",
		"20260102030405Z":       "2026-01-02T03:04:05Z",
		"20260102050405.5+0200": "2026-01-02T03:04:05.5Z",
		"yesterday":             "", "": "", "20261302030405Z": "",
	} {
		root := newRootDSE(func(attribute string) []string {
			if attribute == "currentTime" {
				return []string{text}
			}
			return nil
		}, now)
		if want == "" {
			if root.CurrentTime != nil || root.ClockAheadMS != nil {
				t.Errorf("%q: got %v; want none", text, root.CurrentTime)
			}
			continue
		}
		if root.CurrentTime == nil || root.CurrentTime.Format(time.RFC3339Nano) != want || *root.ClockAheadMS < 5000 {
			t.Errorf("%q: got %v; want %s, and the clock ahead by 5 s", text, root.CurrentTime, want)
		}
	}
}
