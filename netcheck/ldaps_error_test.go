package netcheck

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

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
			e := resultError(phaseBind, code, message, anonymous)
			if e.Cause == "" || e.Cause.Layer() != check.LayerLDAP {
				t.Errorf("code %d has the cause %q", code, e.Cause)
			}
			given := strings.Contains(strings.ToLower(message), "data "+e.Data)
			if e.Data != "" && (bindReasonName(e.Data) == "" || !given) {
				t.Errorf("reason %q of %q", e.Data, message)
			}
			if text := e.Error(); len(text) > 3*maxLDAPText || !printable(text) {
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
		{phaseSearch, 3, false, check.LDAPTimeLimit}, {phaseSearch, 4, false, check.LDAPSizeLimit},
		{phaseBind, 7, false, check.LDAPStrongAuthRequired}, {phaseBind, 8, false, check.LDAPStrongAuthRequired},
		{phaseSearch, 8, true, check.LDAPAnonymousRefused}, {phaseSearch, 10, false, check.LDAPReferral},
		{phaseSearch, 11, false, check.LDAPAdminLimit}, {phaseBind, 13, false, check.LDAPConfidentialityRequired},
		{phaseSearch, 32, false, check.LDAPBaseNotFound}, {phaseBind, 34, false, check.LDAPInvalidCredentials},
		{phaseSearch, 34, false, check.LDAPBaseNotFound}, {phaseBind, 48, true, check.LDAPAnonymousRefused},
		{phaseBind, 48, false, check.LDAPInvalidCredentials}, {phaseBind, 49, false, check.LDAPInvalidCredentials},
		{phaseSearch, 50, false, check.LDAPInsufficientAccess}, {phaseSearch, 50, true, check.LDAPAnonymousRefused},
		{phaseSearch, 51, false, check.LDAPBusy}, {phaseSearch, 52, false, check.LDAPUnavailable},
		{phaseSearch, 53, false, check.LDAPUnwilling}, {phaseSearch, 2, false, check.LDAPMalformed},
		{phaseSearch, 123, false, check.LDAPInsufficientAccess},
		{phaseSearch, 80, false, check.UnknownIn(check.LayerLDAP)},
	}
	for _, tt := range tests {
		err := error(resultError(tt.operation, tt.code, "", tt.anonymous))
		cause, detail, ok := classifyLDAP(&phaseError{phase: tt.operation, err: err})
		if !ok || cause != tt.want || !strings.Contains(detail, "result ") {
			t.Errorf("%+v: got %q: %s", tt, cause, detail)
		}
	}
	if _, _, ok := classifyLDAP(errors.New("other")); ok {
		t.Error("an error of another layer was taken for one of ldap")
	}
	if resultInvalidCredentials != ldap.LDAPResultInvalidCredentials {
		t.Error("the code of a refused bind is not the library's")
	}
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
