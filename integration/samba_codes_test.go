package integration_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck"
	"sallyport/netcheck/directory"
	"sallyport/netcheck/resolver"
)

// TestActiveDirectory has a real domain.
func TestActiveDirectory(t *testing.T) {
	t.Parallel()
	began := time.Now()
	d := newDomain(t)
	t.Logf("the domain is there after %s", time.Since(began).Round(time.Millisecond))
	t.Run("codes", func(t *testing.T) { testCodes(t, d) })
	t.Run("reading", func(t *testing.T) { testReading(t, d) })
	t.Run("access", func(t *testing.T) { testAccess(t, d) })
	t.Run("discovery", testDiscovery)
	t.Run("wrong password once", func(t *testing.T) { testOnce(t, d) })
	t.Run("killed", func(t *testing.T) { testKilled(t, d) })
	t.Run("killed unanswered", func(t *testing.T) { testKilledUnanswered(t, d) })
	t.Run("full disk", func(t *testing.T) { testFullDisk(t, d) })
}

// testCodes has the domain refuse a bind for each of its reasons. Samba has no 525: it says 52e of a user that is not
// there; slapd stands in for it in the tests of netcheck.
func testCodes(t *testing.T, d *domain) {
	for range lockAfter {
		a := d.account(t, "locked", badPassword)
		if r := a.run(t); r.Cause != check.LDAPBadPassword {
			t.Fatalf("locking: %q: %s", r.Cause, r.Detail)
		}
	}
	for _, tt := range []struct {
		user, password string
		cause          check.Cause
		data           string
	}{
		{"reader", goodPassword, "", ""},
		{"wrong", badPassword, check.LDAPBadPassword, "52e"},
		{"nobody", badPassword, check.LDAPBadPassword, "52e"},
		{"hours", goodPassword, check.LDAPLogonHours, "530"},
		{"elsewhere", goodPassword, check.LDAPWorkstation, "531"},
		{"expired", goodPassword, check.LDAPPasswordExpired, "532"},
		{"disabled", goodPassword, check.LDAPAccountDisabled, "533"},
		{"ended", goodPassword, check.LDAPAccountExpired, "701"},
		{"must", goodPassword, check.LDAPPasswordMustChange, "773"},
		{"locked", goodPassword, check.LDAPAccountLocked, "775"},
	} {
		a := d.account(t, tt.user, tt.password)
		for again := range 2 { // where it is not the password, it is tried again
			r := a.run(t)
			cause, data := tt.cause, tt.data
			if again > 0 && cause == check.LDAPBadPassword {
				cause, data = check.LDAPNotRetried, ""
			}
			e, _ := r.Evidence.(netcheck.LDAPSEvidence)
			if r.Cause != cause || len(e.Servers) != 1 || e.Servers[0].BindData != data {
				t.Errorf("%s, run %d: %q: %s, %+v; want %q, data %s",
					tt.user, again, r.Cause, r.Detail, e.Servers, cause, data)
			}
		}
	}
	if got := d.count(t, "wrong"); got != "1" {
		t.Errorf("wrong: %s bad passwords are counted, want 1", got)
	}
}

// testReading has a search of the whole domain, which the controller answers with references besides, in pages and in one.
func testReading(t *testing.T, d *domain) {
	a := d.account(t, "reader", goodPassword)
	for _, pages := range []int{0, 3} {
		r := a.run(t, func(l *netcheck.LDAPSTarget) {
			l.BaseDN, l.PageSize, l.Paged, l.MinEntries = domainDN, pages, pages > 0, 16
		})
		e, _ := r.Evidence.(netcheck.LDAPSEvidence)
		if r.Status != check.OK || len(e.Servers) != 1 {
			t.Fatalf("pages of %d: %s %q: %s", pages, r.Status, r.Cause, r.Detail)
		}
		s := e.Servers[0]
		zones := slices.ContainsFunc(s.Links, func(l string) bool { return strings.Contains(l, "DC=DomainDnsZones") })
		if s.Entries < 16 || s.References != 3 || !zones {
			t.Errorf("pages of %d: %d entries, %d references: %v; want 3", pages, s.Entries, s.References, s.Links)
		}
		root := s.RootDSE
		if root == nil || !root.Active || !root.Paging || !strings.EqualFold(root.Host, controller) ||
			!slices.Contains(root.NamingContexts, domainDN) {
			t.Errorf("rootDSE %+v", root)
		} else if root.ClockAheadMS == nil || max(*root.ClockAheadMS, -*root.ClockAheadMS) > 2000 {
			t.Errorf("clock %v, %v; want the host's", root.CurrentTime, root.ClockAheadMS)
		}
	}
	r := a.run(t, func(l *netcheck.LDAPSTarget) { l.BaseDN = "OU=Nowhere," + domainDN })
	if r.Cause != check.LDAPBaseNotFound {
		t.Errorf("no base: %q: %s", r.Cause, r.Detail)
	}
	r = a.run(t, func(l *netcheck.LDAPSTarget) { l.BaseDN = "DC=elsewhere,DC=test" })
	if r.Cause != check.LDAPReferral && r.Cause != check.LDAPBaseNotFound {
		t.Errorf("another domain's base: %q: %s", r.Cause, r.Detail)
	}
}

// testAccess has the ways in that the domain refuses, and StartTLS.
func testAccess(t *testing.T, d *domain) {
	a := d.account(t, "reader", goodPassword)
	r := a.run(t, func(l *netcheck.LDAPSTarget) { l.BindDN, l.PasswordFile = "", "" })
	if r.Cause != check.LDAPAnonymousRefused {
		t.Errorf("anonymous: %q: %s", r.Cause, r.Detail)
	}
	r = a.run(t, func(l *netcheck.LDAPSTarget) { l.StartTLS, l.Port = true, 389 })
	if r.Status != check.OK {
		t.Errorf("StartTLS: %q: %s", r.Cause, r.Detail)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:389")
	if err != nil {
		t.Fatal(err)
	}
	session := directory.Open(within(t, 5*time.Second), conn)
	defer session.Close()
	err = session.Bind(within(t, 5*time.Second), userDN("reader"), "of no account") // it goes out in plain text
	if cause, _ := netcheck.Classify(err); cause != check.LDAPStrongAuthRequired {
		t.Errorf("in plain text: %q: %v", cause, err)
	}
}

// testDiscovery has the controller's own name server lead to it.
func testDiscovery(t *testing.T) {
	server := resolver.At(netip.MustParseAddrPort("127.0.0.1:53"))
	for _, name := range []string{"_ldap._tcp.dc._msdcs." + domainName, "_ldap._tcp." + domainName} {
		run := netcheck.DNS(netcheck.DNSTarget{Query: name, Type: "SRV", Servers: []resolver.Server{server},
			Expect: []string{"0 100 389 " + controller + "."}})
		var r check.Result
		until(t, name, func() bool { // samba_dnsupdate may not have come to it yet
			r = run(within(t, 5*time.Second))
			return r.Cause != check.DNSNXDomain
		})
		if r.Cause != "" && r.Cause.Layer() != check.LayerDNS || !strings.Contains(r.Detail, controller) {
			t.Errorf("%s: %q: %s", name, r.Cause, r.Detail)
		}
	}
}
