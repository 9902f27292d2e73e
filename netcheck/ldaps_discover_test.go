package netcheck

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/netcheck/resolver"
)

// domainServer is a name server that has these SRV records, and no others.
func domainServer(t *testing.T, records map[string][]dns.SRV) []resolver.Server {
	t.Helper()
	return at(dnsrig.Fake(t, func(query []byte) [][]byte {
		return [][]byte{dnsrig.Reply(query, func(m *dns.Msg) {
			name := strings.ToLower(m.Question[0].Name)
			for _, srv := range records[name] {
				srv.Hdr = dns.RR_Header{Name: name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 60}
				m.Answer = append(m.Answer, &srv)
			}
			if len(m.Answer) == 0 {
				m.Rcode = dns.RcodeNameError
			}
		})}
	}))
}

// TestLDAPSDiscovery checks every server that DNS names for a domain: with slapds, and names and ports where none is.
func TestLDAPSDiscovery(t *testing.T) {
	t.Parallel()
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	const overTLS, controllers = "_ldaps._tcp.localhost.", "_ldap._tcp.dc._msdcs.localhost."
	srv := func(host string, port uint16) dns.SRV { return dns.SRV{Target: host, Port: port, Weight: 1} }
	tests := []struct {
		name      string
		records   map[string][]dns.SRV
		starttls  bool
		status    check.Status
		cause     check.Cause
		detail    string
		endpoints []string
	}{
		{"one", map[string][]dns.SRV{overTLS: {srv("localhost.", s.port)}}, false, check.OK, "", "more than 5 entries",
			[]string{local(int(s.port)).String()}},
		{"StartTLS on its own port", map[string][]dns.SRV{controllers: {srv("localhost.", s.plain)}}, true, check.OK, "",
			"more than 5 entries", nil},
		{"one of two is down", map[string][]dns.SRV{overTLS: {srv("localhost.", s.port), srv("localhost.", 1)}}, false,
			check.Warn, check.ConnectRefused, "1 of 2 addresses: localhost:1:", nil},
		{"one has no address", map[string][]dns.SRV{overTLS: {srv("localhost.", s.port), srv("gone.localhost.", 636)}},
			false, check.Warn, "", "gone.localhost:636", nil},
		{"the domain names none", nil, false, check.Fail, check.LDAPNoServer, "_ldap._tcp.dc._msdcs.localhost", nil},
		{"nor for StartTLS", map[string][]dns.SRV{overTLS: {srv("localhost.", s.port)}}, true, check.Fail,
			check.LDAPNoServer, "_ldap._tcp.dc._msdcs.localhost", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := s.target(t, "cn=reader,dc=test")
			target.Host, target.Port, target.Discover, target.StartTLS = "", 0, "localhost", tt.starttls
			target.resolvers = domainServer(t, tt.records)
			r := LDAPS(target)(withTimeout(t, 4*time.Second))
			if r.Status != tt.status || tt.cause != "" && r.Cause != tt.cause || !strings.Contains(r.Detail, tt.detail) {
				t.Errorf("got %s %q: %s; want %s %q with %q", r.Status, r.Cause, r.Detail, tt.status, tt.cause, tt.detail)
			}
			if tt.status != check.OK && (r.Remedy == "" || strings.Contains(r.Remedy, ":0")) {
				t.Errorf("remedy %q", r.Remedy)
			}
			e := r.Evidence.(LDAPSEvidence)
			if tt.endpoints != nil && (r.Endpoints[0].Address != "localhost:"+strings.Split(tt.endpoints[0], ":")[1] ||
				!slices.Equal(e.Discovered, []string{r.Endpoints[0].Address}) || e.Servers[0].Address != tt.endpoints[0]) {
				t.Errorf("endpoints %+v, evidence %+v", r.Endpoints, e)
			}
		})
	}
}

// TestLDAPSDiscoveryFails has a name server that refuses: that a domain has no directory cannot be told.
func TestLDAPSDiscoveryFails(t *testing.T) {
	t.Parallel()
	target := LDAPSTarget{Discover: "corp.example"}
	target.resolvers = at(dnsrig.Fake(t, func(query []byte) [][]byte {
		return [][]byte{dnsrig.Reply(query, func(m *dns.Msg) { m.Rcode = dns.RcodeRefused })}
	}))
	r := LDAPS(target)(withTimeout(t, 2*time.Second))
	if r.Status != check.Fail || r.Cause != check.DNSRefused || r.Remedy == "" {
		t.Errorf("got %s %q: %s; want dns.refused", r.Status, r.Cause, r.Detail)
	}
}

// TestLDAPSDiscoveryOfAnothersServer has the DNS name a server outside of the domain, which has a certificate that is
// trusted for its name: it gets neither a password nor a certificate of this host, unless the configuration says by which
// name or key it must prove itself.
func TestLDAPSDiscoveryOfAnothersServer(t *testing.T) {
	t.Parallel()
	const reader = "cn=reader,dc=test"
	s := startSlapd(t, []string{"127.0.0.1"}, "")
	servers := domainServer(t, map[string][]dns.SRV{
		"_ldaps._tcp.corp.example.": {{Target: "localhost.", Port: s.port, Weight: 1}},
	})
	run := func(change func(*LDAPSTarget)) check.Result {
		target := s.target(t, reader)
		target.Host, target.Port, target.Discover, target.resolvers = "", 0, "corp.example", servers
		change(&target)
		return LDAPS(target)(withTimeout(t, 4*time.Second))
	}
	r := run(func(*LDAPSTarget) {})
	if r.Status != check.Fail || r.Cause != check.DNSMismatch || !strings.Contains(r.Detail, "localhost, which is not of") ||
		!strings.Contains(r.Remedy, "pins") || s.bindsOf(reader) != 0 {
		t.Errorf("%s %q: %s (%s), after %d binds", r.Status, r.Cause, r.Detail, r.Remedy, s.bindsOf(reader))
	}
	r = run(func(target *LDAPSTarget) {
		target.BindDN, target.ClientCertificate = "", ClientCertificate{CertificateFile: "own.pem", KeyFile: "own.pem"}
	})
	if r.Cause != check.DNSMismatch {
		t.Errorf("with a certificate: %s %q: %s", r.Status, r.Cause, r.Detail)
	}
	for name, change := range map[string]func(*LDAPSTarget){
		"anonymous": func(target *LDAPSTarget) { target.BindDN, target.BaseDN = "", "" },
		"by name":   func(target *LDAPSTarget) { target.ServerName = "localhost" },
	} {
		if r := run(change); r.Status != check.OK {
			t.Errorf("%s: %s %q: %s", name, r.Status, r.Cause, r.Detail)
		}
	}
}
