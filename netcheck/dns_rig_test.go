package netcheck

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
	"sallyport/netcheck/resolver"
)

// TestDNSRig asks servers of three houses, by every transport: unbound, BIND and Knot Resolver, which validate, before BIND
// and Knot, which have the zones.
func TestDNSRig(t *testing.T) {
	t.Parallel()
	began := time.Now()
	rig := dnsrig.Start(t)
	t.Logf("the servers answer after %s", time.Since(began))
	for name, test := range map[string]func(*testing.T, dnsrig.Rig){
		"aliases": rigAliases, "services": rigServices, "validation": rigValidation, "transports": rigTransports,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, rig) })
	}
}

// rigged is one question to one server of the rig, and what must come of it.
type rigged struct {
	server       netip.AddrPort
	query, qtype string
	status       check.Status
	cause        check.Cause
	detail       string
}

func (c rigged) run(t *testing.T, change func(*DNSTarget)) check.Result {
	t.Helper()
	target := DNSTarget{Query: c.query, Type: c.qtype, Servers: at(c.server)}
	if change != nil {
		change(&target)
	}
	r := DNS(target)(withTimeout(t, 3*time.Second))
	if r.Status != c.status || r.Cause != c.cause || !strings.Contains(r.Detail, c.detail) {
		t.Errorf("%s %s at %s: %s %q: %s\nwant %s %q with %q", c.query, c.qtype, c.server, r.Status, r.Cause, r.Detail,
			c.status, c.cause, c.detail)
	}
	if strings.Contains(r.Detail, "no AD bit") && !strings.Contains(r.Remedy, "dnssec: off") ||
		strings.Contains(r.Detail, "targets have") && !strings.Contains(r.Remedy, "SRV") {
		t.Errorf("%s: %s\nis not mended by: %s", c.query, r.Detail, r.Remedy)
	}
	if (r.Cause != "") != (r.Remedy != "") || !printable(r.Detail+r.Remedy) {
		t.Errorf("%s: cause %q has the remedy %q", c.query, r.Cause, r.Remedy)
	}
	return r
}

// rigAliases follows chains to their end, at the server that has them and at three resolvers, each of which says in its own
// way that it came to no end.
func rigAliases(t *testing.T, rig dnsrig.Rig) {
	for _, c := range []rigged{
		{rig.Bind, "alias.links.test", "A", check.OK, "", "192.0.2.1"},
		{rig.Bind, "gone.links.test", "A", check.Fail, check.DNSDangling, "gone.links.test leads to nowhere.links.test"},
		{rig.Bind, "c5.links.test", "A", check.OK, "", "192.0.2.1"},
		{rig.Bind, "c10.links.test", "A", check.OK, "", "192.0.2.1"},
		{rig.Bind, "c16.links.test", "A", check.Fail, check.DNSDangling, "16 aliases one after another are too many"},
		{rig.Bind, "c17.links.test", "A", check.Fail, check.DNSDangling, "more than 16 links"},
		{rig.Bind, "loop.links.test", "A", check.Fail, check.DNSDangling, "back to itself"},
		{rig.Bind, "self.links.test", "A", check.Fail, check.DNSDangling, "back to itself"},
		{rig.Bind, "void.links.test", "A", check.Fail, check.DNSDangling, "which has no address"},
		{rig.Bind, "half.links.test", "A", check.Fail, check.DNSNoData, "six.links.test"},
		{rig.Bind, "half.links.test", "AAAA", check.OK, "", "2001:db8::1"},
		{rig.Bind, "far.links.test", "A", check.Fail, check.DNSDangling, "www.k.test, and for that it answers REFUSED"},
		{rig.Bind, "www.closed.test", "A", check.Fail, check.DNSRefused, "REFUSED"},
		{rig.Bind, "www.broken.links.test", "A", check.Fail, check.DNSRefused, "no recursion"},
		{rig.Bind, "text.links.test", "A", check.Fail, check.DNSNoData, "no such record"},
		{rig.Bind, "nobody.links.test", "A", check.Fail, check.DNSNXDomain, "NXDOMAIN"},
	} {
		c.run(t, nil)
	}
	for _, server := range []netip.AddrPort{rig.Unbound, rig.Named, rig.Kresd} {
		for _, c := range []rigged{
			{server, "far.links.test", "A", check.OK, "", "192.0.2.2"},
			{server, "gone-far.links.test", "A", check.Fail, check.DNSDangling,
				"the alias gone-far.links.test leads to nowhere.k.test, which does not exist"},
			{server, "dead.links.test", "A", check.Fail, check.DNSDangling,
				"the alias dead.links.test leads to www.dead.test, and for that it answers SERVFAIL"},
			{server, "closed.links.test", "A", check.Fail, check.DNSDangling, "leads to www.closed.test"},
			{server, "loop.links.test", "A", check.Fail, check.DNSDangling, "back to itself"},
			{server, "c20.links.test", "A", check.Fail, check.DNSDangling, ""},
			{server, "www.dead.test", "A", check.Fail, check.DNSServFail, "SERVFAIL"},
			{server, "nobody.k.test", "A", check.Fail, check.DNSNXDomain, "NXDOMAIN"},
			{server, "www.k.test", "MX", check.Fail, check.DNSNoData, "no such record"},
		} {
			c.run(t, nil)
		}
	}
	r := rigged{rig.Unbound, "c12.links.test", "A", check.Fail, check.DNSDangling, "too many for the server"}.run(t, nil)
	e := r.Evidence.(DNSEvidence).Servers[0]
	if len(e.Links) != 13 || e.Links[0].Name != "c12.links.test" || e.Links[0].Target != "c11.links.test" ||
		e.Links[12].Name != "c0.links.test" || e.Links[12].Rcode != "NOERROR" || e.Links[12].TTL == 0 {
		t.Errorf("the links of a chain: %+v", e.Links)
	}
	r = rigged{rig.Bind, "alias.links.test", "A", check.OK, "", ""}.run(t, nil)
	want := []resolver.Link{{Name: "alias.links.test", Target: "www.links.test", Rcode: "NOERROR", TTL: 30},
		{Name: "www.links.test", Rcode: "NOERROR", TTL: 60}}
	if e := r.Evidence.(DNSEvidence).Servers[0]; !slices.Equal(e.Links, want) || e.TTL != 30 {
		t.Errorf("the links of an alias: %+v", e)
	}
}

// rigServices checks every target of a service.
func rigServices(t *testing.T, rig dnsrig.Rig) {
	for _, c := range []rigged{
		{rig.Unbound, "_ldaps._tcp.links.test", "SRV", check.OK, "", "636 dc1.links.test"},
		{rig.Unbound, "_half._tcp.links.test", "SRV", check.Warn, check.DNSDangling,
			"1 of 2 targets have no address: dc9.links.test (dns.nxdomain)"},
		{rig.Unbound, "_dead._tcp.links.test", "SRV", check.Fail, check.DNSDangling, "1 of 1 targets"},
		{rig.Unbound, "_none._tcp.links.test", "SRV", check.Fail, check.DNSNoData, "not offered"},
		{rig.Bind, "_gone._tcp.links.test", "SRV", check.Fail, check.DNSNXDomain, ""},
	} {
		c.run(t, nil)
	}
	rigged{rig.Bind, "_none._tcp.links.test", "SRV", check.OK, "", "0 0 0 ."}.run(t, func(d *DNSTarget) {
		d.Expect = []string{"0 0 0 ."}
	})
	r := rigged{rig.Bind, "_ldaps._tcp.links.test", "SRV", check.OK, "", ""}.run(t, nil)
	got := r.Evidence.(DNSEvidence).Servers[0].Targets
	first := resolver.Target{Host: "dc1.links.test", Port: 636, Weight: 5}
	if len(got) != 2 || got[0].Target != first || len(got[0].Addresses) != 2 || got[1].Priority != 10 {
		t.Errorf("targets %+v", got)
	}
}

// rigValidation tells an answer that the resolver vouches for from one that it does not, and both from one that it
// rejects.
func rigValidation(t *testing.T, rig dnsrig.Rig) {
	require := func(d *DNSTarget) { d.Authenticated = true }
	for _, server := range []netip.AddrPort{rig.Unbound, rig.Named, rig.Kresd} {
		for _, c := range []rigged{
			{server, "www.k.test", "A", check.OK, "", "192.0.2.2"},
			{server, "alias.k.test", "A", check.OK, "", "192.0.2.2"},
			{server, "www.forged.test", "A", check.Fail, check.DNSBogus, "SERVFAIL"},
			{server, "far.links.test", "A", check.Fail, check.DNSMismatch, "no AD bit"}, // the alias itself is not signed
		} {
			c.run(t, require)
		}
	}
	rigged{rig.Knot, "www.k.test", "A", check.Fail, check.DNSMismatch, "no AD bit"}.run(t, require)
	rigged{rig.Bind, "www.forged.test", "A", check.OK, "", "192.0.2.66"}.run(t, nil)
	x := resolver.NewExchanger(resolver.At(rig.Unbound))
	msg, err := x.Ask(withTimeout(t, time.Second), "www.k.test", 1)
	if err != nil || len(msg.Answer) != 2 || !msg.CheckingDisabled {
		t.Errorf("unchecked: %v, %v; want the address and its signature, unchecked", msg, err)
	}
}

// rigTransports asks by each transport, and meets what can be wrong with each.
func rigTransports(t *testing.T, rig dnsrig.Rig) {
	secure, stranger := SecureDNS(rig.Roots), SecureDNS(nil)
	over := func(address netip.AddrPort, host string, s resolver.Secure) resolver.Server {
		return resolver.Server{Transport: resolver.TLS, Address: address, Host: host, Secure: s}
	}
	https := func(path string, s resolver.Secure) resolver.Server {
		return resolver.Server{Transport: resolver.HTTPS, URL: "https://" + rig.UnboundH.String() + path, Secure: s}
	}
	named := https("/dns-query", secure)
	named.URL, named.Address = "https://"+dnsrig.Name+"/dns-query", rig.UnboundH
	closed := dnsrig.FreePort(t)
	for name, c := range map[string]struct {
		server   resolver.Server
		cause    check.Cause
		detail   string
		endpoint string
	}{
		"tcp": {resolver.Server{Transport: resolver.TCP, Address: rig.Bind}, "", "", "tcp://"},
		"tcp, closed": {resolver.Server{Transport: resolver.TCP, Address: closed}, check.DNSUnreachable, "refuses",
			"tcp://"},
		"tls":               {over(rig.UnboundS, "", secure), "", "", "tls://" + rig.UnboundS.String()},
		"tls, by name":      {over(rig.UnboundS, dnsrig.Name, secure), "", "", "tls://"},
		"tls, other name":   {over(rig.UnboundS, "other.test", secure), check.CertNameMismatch, "other.test", "tls://"},
		"tls, no authority": {over(rig.UnboundS, "", stranger), check.CertUnknownAuthority, "", "tls://"},
		"tls, closed":       {over(closed, "", secure), check.DNSUnreachable, "refuses", "tls://"},
		"https":             {https("/dns-query", secure), "", "", "https://"},
		"https, by name":    {named, "", "", "https://" + dnsrig.Name},
		"https, other path": {https("/nothing", secure), check.HTTPStatus, "404", "https://"},
		"https, stranger":   {https("/dns-query", stranger), check.CertUnknownAuthority, "", "https://"},
	} {
		target := DNSTarget{Query: "big.links.test", Type: "TXT", Servers: []resolver.Server{c.server}}
		r := DNS(target)(withTimeout(t, 3*time.Second))
		if r.Cause != c.cause || !strings.Contains(r.Detail, c.detail) || (r.Cause != "") != (r.Remedy != "") {
			t.Errorf("%s: %s %q: %s (%s); want %q with %q", name, r.Status, r.Cause, r.Detail, r.Remedy, c.cause, c.detail)
		}
		if len(r.Endpoints) != 1 || !strings.HasPrefix(r.Endpoints[0].Address, c.endpoint) {
			t.Errorf("%s: endpoints %+v; want %s", name, r.Endpoints, c.endpoint)
		}
		if !strings.Contains(r.Detail, c.server.String()) && r.Cause != "" {
			t.Errorf("%s: %q does not name the server", name, r.Detail)
		}
		e := r.Evidence.(DNSEvidence).Servers[0]
		if c.cause == "" && (e.Transport != c.server.Transport.String() || e.AnswerCount != 60) {
			t.Errorf("%s: evidence %+v", name, e)
		}
	}
}
