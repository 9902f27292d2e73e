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

// domainServer is a name server for corp.example that has these SRV records, and no others.
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
	const overTLS, controllers = "_ldaps._tcp.corp.example.", "_ldap._tcp.dc._msdcs.corp.example."
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
		{"one has no address", map[string][]dns.SRV{overTLS: {srv("localhost.", s.port), srv("gone.invalid.", 636)}}, false,
			check.Warn, "", "gone.invalid:636", nil},
		{"the domain names none", nil, false, check.Fail, check.LDAPNoServer, "_ldap._tcp.dc._msdcs.corp.example", nil},
		{"nor for StartTLS", map[string][]dns.SRV{overTLS: {srv("localhost.", s.port)}}, true, check.Fail,
			check.LDAPNoServer, "_ldap._tcp.dc._msdcs.corp.example", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			target := s.target(t, "cn=reader,dc=test")
			target.Host, target.Port, target.Discover, target.StartTLS = "", 0, "corp.example", tt.starttls
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
