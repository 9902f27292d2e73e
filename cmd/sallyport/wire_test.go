package main

import (
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/config"
	"sallyport/firewall"
	"sallyport/monitor"
)

func TestWaive(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	waivers := []config.Waiver{
		{Check: "old", Reason: "until the move", Expires: now.AddDate(0, 0, -1)},
		{Check: "tls", Reason: "until the move", Expires: now.AddDate(0, 0, 1)},
	}
	for _, c := range []struct {
		name   string
		status check.Status
		want   check.Status
		says   string
	}{
		{"tls", check.Fail, check.Waived, "waived until 2026-06-02 (until the move): it broke"},
		{"tls", check.Warn, check.Waived, "it broke"},
		{"tls", check.OK, check.OK, "it broke"},
		{"tls", check.Unknown, check.Unknown, "it broke"}, // what cannot be told cannot be accepted
		{"old", check.Fail, check.Fail, "(the waiver of it ran out on 2026-05-31)"},
		{"dns", check.Fail, check.Fail, "it broke"},
	} {
		got := waive(waivers, check.Result{Check: c.name, Status: c.status, Detail: "it broke"}, now)
		if got.Status != c.want || !strings.Contains(got.Detail, c.says) {
			t.Errorf("%s %v: %v %q, want %v and %q", c.name, c.status, got.Status, got.Detail, c.want, c.says)
		}
	}
}

func TestChecksDependOnTheirResolvers(t *testing.T) {
	checks := []config.DNS{
		{Name: "a", Query: "cloud.example.", Type: "A"},
		{Name: "aaaa", Query: "cloud.example", Type: "AAAA"},
		{Name: "six", Query: "six.example", Type: "AAAA"},
		{Name: "txt", Query: "txt.example", Type: "TXT"},
		{Name: "aside", Query: "cloud.example", Type: "A", Servers: []config.DNSServer{{Transport: config.DNSOverTLS}}},
		{Name: "strict", Query: "cloud.example", Type: "A", Expect: []string{"192.0.2.7"}},
		{Name: "signed", Query: "signed.example", Type: "A", Dnssec: config.DnssecRequire},
		{Name: "both", Query: "both.example", Type: "A", Servers: []config.DNSServer{
			{Transport: config.DNSOverTLS}, {Transport: config.DNSOverUDP},
		}},
	}
	for host, want := range map[string][]string{
		"Cloud.Example":  {"a"}, // one for AAAA counts only where none asks for A
		"six.example":    {"six"},
		"both.example":   {"both"},
		"signed.example": {"signed"},
		"txt.example":    nil,
		"192.0.2.7":      nil,
	} {
		if got := resolvers(checks, host); !slices.Equal(got, want) {
			t.Errorf("%s depends on %v, want %v", host, got, want)
		}
	}
}

// TestDNSServersAreWired holds that each server is asked as the file says, and that roots are read only for those that show
// a certificate.
func TestDNSServersAreWired(t *testing.T) {
	at := netip.MustParseAddrPort("10.0.0.53:5353")
	trust := newTrust(config.Trust{Roots: []string{filepath.Join(t.TempDir(), "none.pem")}}, nil)
	plain := config.DNS{Servers: []config.DNSServer{
		{Transport: config.DNSOverUDP, Address: at}, {Transport: config.DNSOverTCP, Address: at},
	}}
	if secure, err := trust.secureDNS(plain); err != nil || secure != nil {
		t.Errorf("roots are read for servers without certificates: %v", err)
	}
	var shown []string
	for _, s := range []config.DNSServer{
		plain.Servers[0], plain.Servers[1], {Transport: config.DNSOverTLS, Address: at, Host: "dns.example"},
		{Transport: config.DNSOverHTTPS, Host: "dns.example", URL: "https://dns.example/dns-query"},
	} {
		if _, err := trust.secureDNS(config.DNS{Servers: []config.DNSServer{s}}); (err != nil) != s.Certified() {
			t.Errorf("roots that are missing, for %s: %v", s, err)
		}
		wired := dnsServers([]config.DNSServer{s}, nil)[0]
		shown = append(shown, wired.String()+" "+wired.Host)
	}
	const want = "10.0.0.53:5353 |tcp://10.0.0.53:5353 |tls://10.0.0.53:5353 dns.example|" +
		"https://dns.example/dns-query dns.example"
	if got := strings.Join(shown, "|"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestDirectoryIsNamed(t *testing.T) {
	server := config.Server{Host: "2001:db8::1", Port: 636}
	for want, c := range map[string]config.LDAPS{
		"ldaps://[2001:db8::1]:636": {Server: server},
		"ldap://[2001:db8::1]:636":  {Server: server, StartTLS: true},
		"ldaps://corp.example":      {Discover: "corp.example"},
		"ldap://corp.example":       {Discover: "corp.example", StartTLS: true},
	} {
		if got := directory(c); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestItemsShowWhatIsBelieved(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := check.Check{Name: "tls", Kind: check.KindTLS, Target: "cloud:443", FailAfter: 2, RecoverAfter: 1}
	state := func(statuses ...check.Status) (s monitor.State) {
		for _, status := range statuses {
			s, _ = monitor.Advance(s, c, check.Result{Status: status, Detail: status.String(), Time: at})
		}
		return s
	}
	for _, test := range []struct {
		seen   []check.Status
		status check.Status
		detail string
		latest string
	}{
		{[]check.Status{check.OK}, check.OK, "ok", ""},
		{[]check.Status{check.OK, check.Fail}, check.OK, "ok", "fail"},
		{[]check.Status{check.OK, check.Fail, check.Fail}, check.Fail, "fail", ""},
		{[]check.Status{check.Fail}, check.Unknown, "fail", "fail"}, // nothing is believed yet
		{[]check.Status{check.OK, check.Skipped}, check.Skipped, "skipped", ""},
	} {
		item := items([]monitor.State{state(test.seen...)})[0]
		latest := ""
		if item.State.Latest != nil {
			latest = item.State.Latest.Status.String()
		}
		if item.Status != test.status || item.Detail != test.detail || latest != test.latest {
			t.Errorf("%v: %v %q, latest %q; want %v %q, %q",
				test.seen, item.Status, item.Detail, latest, test.status, test.detail, test.latest)
		}
	}
}

func TestReloadKeepsItsProcesses(t *testing.T) {
	conf := func(mode config.Mode, runtime string) *config.Config {
		return &config.Config{
			File: "f", Paths: config.Paths{Runtime: runtime}, Firewall: config.Firewall{Mode: mode},
			Checks: config.Checks{DNS: []config.DNS{{}}},
		}
	}
	running := conf(config.Enforce, "/run/a")
	for _, c := range []struct {
		next *config.Config
		says string
	}{
		{conf(config.Observe, "/run/a"), ""},
		{conf(config.Off, "/run/a"), "cannot be switched on or off"},
		{conf(config.Enforce, "/run/b"), "paths cannot change"},
	} {
		err := sameProcesses(running, c.next)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.next.Paths, err, c.says)
		}
	}
}

func TestErrorsInOneLine(t *testing.T) {
	_, err := config.Parse("f.yaml", []byte("a: 1\nb: 2\nc: 3\n"), config.Options{})
	if got := inOneLine(err); strings.Contains(got, "\n") || !strings.Contains(got, "f.yaml:1:1: ") ||
		!strings.HasSuffix(got, "(and 2 more)") {
		t.Errorf("%q", got)
	}
}

func TestOwnerIsKeptIn(t *testing.T) {
	conf, err := config.Parse("f.yaml", []byte("firewall:\n  management:\n"+
		"    - {name: ssh, ports: [2222/tcp], from: [10.20.0.0/24, \"fe80::/64\"]}\n"), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	next, err := compile(conf, false)
	if err != nil {
		t.Fatal(err)
	}
	for connection, refused := range map[string]bool{
		"":                                     false, // a console
		"10.20.0.9 50000 10.20.0.1 2222":       false,
		"::ffff:10.20.0.9 50000 ::1 2222":      false,
		"fe80::9%eth0 50000 fe80::1%eth0 2222": false,
		"10.20.1.9 50000 10.20.0.1 2222":       true,
		"10.20.0.9 50000 10.20.0.1 22":         true,
		"what is this":                         false,
	} {
		if err := next.keepsOwnerIn(connection, false); (err != nil) != refused {
			t.Errorf("%q: %v, want refused %v", connection, err, refused)
		}
		if err := next.keepsOwnerIn(connection, true); err != nil {
			t.Errorf("%q by force: %v", connection, err)
		}
	}
}

func TestPeersInWords(t *testing.T) {
	var locked []firewall.Peer
	for i := range 13 {
		locked = append(locked, firewall.Peer{
			Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 50000),
			Local:  netip.MustParseAddrPort("10.20.0.1:22"),
		})
	}
	placed := locked[0]
	placed.Interface = "eth\x1b0"
	if got := inWords([]firewall.Peer{placed}); got != `192.0.2.0, connected now to port 22 by "eth\x1b0"` {
		t.Errorf("by an interface with a bad name: %s", got)
	}
	for n, want := range map[int]string{
		1:  "192.0.2.0, connected now to port 22",
		2:  "2 peers that are connected now (192.0.2.0 to port 22, 192.0.2.1 to port 22)",
		10: "192.0.2.9 to port 22)",
		13: "192.0.2.9 to port 22, and 3 more)",
	} {
		if got := inWords(locked[:n]); !strings.HasSuffix(got, want) {
			t.Errorf("%d peers: %q, want %q at the end", n, got, want)
		}
	}
}
