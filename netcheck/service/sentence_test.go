package service

import (
	"strings"
	"testing"
	"time"

	"sallyport/check"
)

func TestComplaint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line  string
		cause check.Cause
		host  string
		text  string // empty: the line
	}{
		{"ERROR [main] c.c.Sync - javax.net.ssl.SSLHandshakeException: No subject alternative DNS name matching " +
			"dc1.corp.example found.", check.CertNameMismatch, "dc1.corp.example",
			"javax.net.ssl.SSLHandshakeException: No subject alternative DNS name matching dc1.corp.example found."},
		{"java.net.UnknownHostException: dc9.corp.example: Name or service not known", check.DNSNXDomain,
			"dc9.corp.example", ""},
		{"No subject alternative names matching IP address 10.0.0.7 found", check.CertNameMismatch, "10.0.0.7", ""},
		{"javax.naming.CommunicationException: dc1.corp.example:636 [Root exception is java.net.ConnectException: " +
			"Connection refused]", check.ConnectRefused, "dc1.corp.example", ""},
		{"o.a.h.c.HttpHostConnectException: Connect to console.example:443 [console.example/10.0.0.9] failed: " +
			"Connection refused", check.ConnectRefused, "console.example", ""},
		{"Connection refused: ldaps://uds:hunter2@dc1.corp.example:636 password=hunter2, \"Authorization\": Basic aHVudGVy",
			check.ConnectRefused, "dc1.corp.example",
			`Connection refused: ldaps://***@dc1.corp.example:636 password=*** "Authorization": ***`},
		{"x\x1b[2Jx\u202e Connection refused", check.ConnectRefused, "", `x\x1b[2Jx\u202e Connection refused`},
		{"java.net.UnknownHostException: dc1", check.DNSNXDomain, "", ""},
		{"javax.naming.AuthenticationException: [LDAP: error code 49 - 80090308: LdapErr: DSID-0C09041C, comment: " +
			"AcceptSecurityContext error, data 775, v4563]", check.LDAPAccountLocked, "", ""},
		{"javax.naming.AuthenticationException: [LDAP: error code 49 - Invalid Credentials]", check.LDAPInvalidCredentials,
			"", ""},
	} {
		want := Complaint{Cause: c.cause, Host: c.host, Text: first(c.text, c.line)}
		if got, found := complaint(c.line); !found || got != want {
			t.Errorf("%q:\ngot  %+v\nwant %+v", c.line, got, want)
		}
	}
	if _, found := complaint("2026-11-23 all is well"); found {
		t.Error("what is well is complained of")
	}
	if long, _ := complaint(strings.Repeat("y", 5000) + "Connection refused"); len(long.Text) > maxSentence+3 {
		t.Errorf("%d characters", len(long.Text))
	}
}

func TestMasked(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"bind.password = 'a b c' next":             "bind.password = *** next",
		"ldap.bindPassword=x;y":                    "ldap.bindPassword=***",
		`{"client_secret":"abc","b":1}`:            `{"client_secret":***,"b":1}`,
		"Authorization: Bearer eyJhbGciOi.J.x":     "Authorization: ***",
		"sent Basic dXNlcjpwYXNzd29yZA== to it":    "sent Basic *** to it",
		"https://uds:pw@console.example/scim is":   "https://***@console.example/scim is",
		"api-key: 0123 X-Auth-Token=abc":           "api-key: *** X-Auth-Token=***",
		"the basic idea of tokens is not a secret": "the basic idea of tokens is not a secret",
	} {
		if got := masked(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestStamp(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 11, 23, 16, 5, 6, 0, time.Local)
	for line, rest := range map[string]string{
		"2026-11-23 16:05:06,123 ERROR x":     " ERROR x",
		"[2026-11-23T16:05:06.123] ERROR x":   "] ERROR x",
		"2026/11/23 16:05:06 x":               " x",
		"23-Nov-2026 16:05:06.001 SEVERE x":   " SEVERE x",
		"23 Nov 2026 16:05:06 x":              " x",
		"[11.23.26 16:05:06.123 ERROR main x": " ERROR main x",
		"Nov 23, 2026 4:05:06 PM c.c.Sync x":  " c.c.Sync x",
	} {
		at, left, ok := stamp(line)
		if !ok || !at.Equal(want) || left != rest {
			t.Errorf("%q: %s, %q, %t", line, at, left, ok)
		}
	}
	utc := time.Date(2026, 11, 23, 16, 5, 6, 0, time.UTC)
	for _, line := range []string{
		"2026-11-23T16:05:06Z x", "2026-11-23T17:05:06.5+01:00 x", "2026-11-23 14:05:06,123 -0200 x",
		"[23/Nov/2026:16:05:06 +0000] x",
	} {
		if at, _, ok := stamp(line); !ok || !at.Equal(utc) {
			t.Errorf("%q: %s, %t", line, at, ok)
		}
	}
	at, _, ok := stamp("Nov 23, 2026, 4:05:06\u202fPM")
	if ok { // a form that is not Java's logger's
		t.Errorf("it is of %s", at)
	}
	if at, _, ok = stamp("Nov 23, 2026 4:05:06\u202fPM Sync main"); !ok || !at.Equal(want) {
		t.Errorf("since Java 20: %s, %t", at, ok)
	}
	for _, line := range []string{
		"", "[", "x 2026-11-23", "2026-13-23 16:05:06", "Caused by: x", "Nov 99, 2026 4:05:06 PM",
	} {
		if at, rest, ok := stamp(line); ok || rest != line {
			t.Errorf("%q is of %s", line, at)
		}
	}
}

func TestAgrees(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		complaint, finding check.Cause
		want               bool
	}{
		{check.CertUnknownAuthority, check.CertUnknownAuthority, true},
		{check.CertUnknownAuthority, check.CertJavaUntrusted, true},
		{check.CertUnknownAuthority, check.CertExpired, false},
		{check.CertExpired, check.ClockSkew, true},
		{check.DNSNXDomain, check.DNSTimeout, true},
		{check.DNSNXDomain, check.ConnectTimeout, false},
		{check.ConnectTimeout, check.ConnectBlockedHere, true},
		{check.LDAPInvalidCredentials, check.LDAPAccountLocked, true},
		{check.LDAPInvalidCredentials, check.CertExpired, false},
		{check.LDAPAccountLocked, check.LDAPAccountLocked, true},
		{check.LDAPAccountLocked, check.LDAPNotRetried, true},
		{check.LDAPAccountLocked, check.LDAPBadPassword, false},
		{check.ProxyAuth, check.ProxyDenied, true},
	} {
		if got := Agrees(c.complaint, c.finding); got != c.want {
			t.Errorf("%s and %s: %t", c.complaint, c.finding, got)
		}
	}
}
