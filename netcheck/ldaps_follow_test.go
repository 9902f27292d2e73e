package netcheck

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"sallyport/check"
)

// refer adds an entry to a slapd that refers to others.
func (s *slapd) refer(t *testing.T, ou string, urls ...string) {
	t.Helper()
	conn, err := ldap.DialURL("ldap://" + local(int(s.plain)).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	conn.SetTimeout(5 * time.Second)
	if err := conn.Bind("cn=admin,dc=test", "pw"); err != nil {
		t.Fatal(err)
	}
	add := ldap.NewAddRequest("ou="+ou+",ou=people,dc=test", []ldap.Control{ldap.NewControlManageDsaIT(true)})
	add.Attribute("objectClass", []string{"referral", "extensibleObject"})
	add.Attribute("ou", []string{ou})
	add.Attribute("ref", urls)
	if err := conn.Add(add); err != nil {
		t.Fatal(err)
	}
}

// TestLDAPSReferrals has slapds that refer to one another.
func TestLDAPSReferrals(t *testing.T) {
	t.Parallel()
	pki := newDirectoryPKI(t)
	far := pki.startSlapd(t, []string{"127.0.0.1"}, "")
	deep := pki.startSlapd(t, []string{"127.0.0.1"}, "")
	far.refer(t, "deeper", fmt.Sprintf("ldaps://127.0.0.1:%d/ou=people,dc=test??sub", deep.port))
	url := func(host string) string {
		return "ldaps://" + net.JoinHostPort(host, strconv.Itoa(int(far.port))) + "/ou=people,dc=test??sub"
	}
	const reader = "cn=reader,dc=test"
	tests := []struct {
		name   string
		refs   []string
		base   string
		follow bool
		min    int
		status check.Status
		cause  check.Cause
		detail string
		binds  int // of the user, at the other server
	}{
		{"not followed", []string{url("127.0.0.1")}, "", false, 20, check.OK, "", "20 entries", 0},
		{"too few, not followed", []string{url("127.0.0.1")}, "", false, 21, check.Fail, check.LDAPTooFewEntries,
			"1 references to other servers were not followed", 0},
		{"followed, and from there", []string{url("127.0.0.1")}, "", true, 60, check.OK, "", "60 entries", 1},
		{"no further than must be", []string{url("127.0.0.1")}, "", true, 10, check.OK, "", "more than 10 entries", 0},
		{"the base is elsewhere", []string{url("127.0.0.1")}, "ou=away,ou=people,dc=test", false, 1, check.Fail,
			check.LDAPReferral, "127.0.0.1", 0},
		{"the base is elsewhere, followed", []string{"ldap://127.0.0.1:1/", url("127.0.0.1")}, "ou=away,ou=people,dc=test",
			true, 40, check.OK, "", "40 entries", 1},
		{"no password for another domain", []string{url("localhost")}, "", true, 30, check.Fail,
			check.LDAPAnonymousRefused, "to which the directory refers", 0},
		{"nobody is there", []string{"ldaps://127.0.0.1:1/ou=people,dc=test"}, "", true, 30, check.Fail,
			check.ConnectRefused, "at ldaps://127.0.0.1:1/", 0},
		{"nor in clear", []string{fmt.Sprintf("ldap://127.0.0.1:%d/ou=people,dc=test", far.plain)}, "", true, 20,
			check.OK, "", "20 entries", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			near := pki.startSlapd(t, []string{"127.0.0.1"}, "")
			near.refer(t, "away", tt.refs...)
			before := far.bindsOf(reader)
			target := near.target(t, reader)
			target.FollowReferrals, target.MinEntries = tt.follow, tt.min
			if tt.base != "" {
				target.BaseDN = tt.base
			}
			r := LDAPS(target)(withTimeout(t, 3*time.Second))
			if r.Status != tt.status || r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) {
				t.Errorf("got %s %q: %s; want %s %q with %q", r.Status, r.Cause, r.Detail, tt.status, tt.cause, tt.detail)
			}
			eventually(t, "the log of the other server shows as many binds of the user as it must", func() bool {
				return far.bindsOf(reader)-before == tt.binds
			})
			seen := r.Evidence.(LDAPSEvidence).Servers[0]
			if !tt.follow && (len(seen.Followed) != 0 || !slices.Contains(seen.Links, tt.refs[0])) {
				t.Errorf("evidence %+v; want the address, not followed", seen)
			}
			if strings.HasPrefix(tt.refs[0], "ldap:") && !strings.Contains(seen.Followed[0].Skipped, "ldaps://") {
				t.Errorf("evidence %+v; want why it was not followed", seen.Followed)
			}
		})
	}
}

// TestLDAPSReferralLoop has a directory that refers to itself for ever.
func TestLDAPSReferralLoop(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	for i := range 8 {
		s.refer(t, fmt.Sprintf("again%d", i),
			fmt.Sprintf("ldaps://127.0.0.1:%d/ou=people,dc=test??sub?(cn=none%d)", s.port, i))
	}
	target := s.target(t, "cn=reader,dc=test")
	target.FollowReferrals, target.MinEntries = true, 300
	r := LDAPS(target)(withTimeout(t, 3*time.Second))
	if r.Cause != check.LDAPTooFewEntries {
		t.Errorf("got %s %q: %s", r.Status, r.Cause, r.Detail)
	}
	eventually(t, "the log shows the bind of the check, and of as many servers as may be", func() bool {
		return s.bindsOf("cn=reader,dc=test") == 1+maxServers
	})
}

// TestTrustedDomain holds to whom the password may go.
func TestTrustedDomain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		own, discover, host string
		want                bool
	}{
		{"dc1.corp.example", "", "dc2.corp.example", true},
		{"dc1.corp.example", "", "DC2.Corp.Example.", true},
		{"dc1.corp.example", "", "a.b.corp.example", true},
		{"dc1.corp.example", "", "corp.example", true},
		{"dc1.corp.example", "", "evilcorp.example", false},
		{"dc1.corp.example", "", "dc1.other.example", false},
		{"ldap.com", "", "evil.com", false},
		{"ldap.co.uk", "", "evil.co.uk", false},
		{"ldap.com", "", "ldap.com", true},
		{"10.0.0.1", "", "10.0.0.1", true},
		{"10.0.0.1", "", "11.0.0.1", false},
		{"localhost", "", "other", false},
		{"", "corp.example", "dc2.corp.example", true},
		{"", "corp.example", "example", false},
	}
	for _, tt := range tests {
		target := LDAPSTarget{Server: Server{Host: tt.own}, Discover: tt.discover}
		if got := target.trusts(tt.host); got != tt.want {
			t.Errorf("%+v: got %t", tt, got)
		}
	}
}
