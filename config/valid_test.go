package config

import (
	"encoding/json"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// everyKey is the valid file that exercises every key.
func everyKey(t *testing.T) *Config {
	t.Helper()
	c, err := load("testdata/valid/every-key.yaml", Options{SkipFiles: true, Environ: noEnviron})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEveryKeyIsRead(t *testing.T) {
	text, err := json.MarshalIndent(everyKey(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/valid/every-key.json", append(text, '\n'))
}

// TestEveryKeyIsExercised fails where the valid file lacks a key of the schema, so that no key goes untested.
func TestEveryKeyIsExercised(t *testing.T) {
	data, err := os.ReadFile("testdata/valid/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	src, wrong := newSource("every-key.yaml", data)
	if wrong != nil {
		t.Fatal(wrong)
	}
	root, errs := src.parse()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	seen := map[string]bool{}
	whole := fileForm().schema
	mark(&whole, plainTree(root), "", seen)
	for path, given := range seen {
		if !given {
			t.Errorf("the valid file lacks the key %s", path)
		}
	}
}

func TestDefaults(t *testing.T) {
	const file = `
firewall:
  management: [{name: ssh, ports: [22/tcp], from: [10.20.0.0/24]}]
checks:
  dns: [{name: resolver, query: a.example}]
  tls: [{name: console, address: "a.example:443"}]
  ldaps: [{name: directory, url: ldaps://dc1.example}, {name: staff, url: ldaps://dc1.example, base_dn: DC=corp}]
report:
  history: {}
`
	c, err := Parse("x.yaml", []byte(file), Options{})
	if err != nil {
		t.Fatal(err)
	}
	schedule := Schedule{Interval: 30 * time.Second, Timeout: 5 * time.Second, FailAfter: 2, RecoverAfter: 1}
	expiry := Expiry{Warn: 21 * day, Fail: 7 * day}
	server := func(host string, port uint16) Server {
		return Server{Host: host, Port: port, ServerName: host, Expiry: expiry, Like: LikeGo, Revocation: RevocationSoft}
	}
	root := LDAPS{Name: "directory", Server: server("dc1.example", 636), Schedule: schedule}
	staff := root
	staff.Name, staff.BaseDN, staff.Filter, staff.MinEntries = "staff", "DC=corp", "(objectClass=*)", 1
	staff.PageSize = 500 // not written, so that pages are asked for only where they are needed
	want := Config{
		File:  "x.yaml",
		Paths: Paths{State: "/var/lib/sallyport", Runtime: "/run/sallyport"},
		Firewall: Firewall{
			Mode: Enforce, Ownership: OwnershipAuto, Ping: true, Forward: ForwardDrop,
			Egress: Egress{Mode: EgressOpen, Also: []Destination{}},
			Management: []Exception{{Name: "ssh", Ports: []Ports{{"tcp", 22, 22}},
				From: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24")}, Line: 3}},
			Allow: []Exception{}, ConfirmWithin: time.Minute,
		},
		Checks: Checks{
			DNS: []DNS{{Name: "resolver", Query: "a.example", Type: "A", Servers: []DNSServer{}, Dnssec: DnssecOff,
				Schedule: schedule}},
			TLS:   []TLS{{Name: "console", Server: server("a.example", 443), Schedule: schedule}},
			LDAPS: []LDAPS{root, staff},
		},
		Trust:   Trust{Roots: []string{"system"}, Java: "auto"},
		Report:  Report{Syslog: []Syslog{}, History: &History{Path: "/var/lib/sallyport/history.db", Keep: 90 * day}},
		Waivers: []Waiver{},
	}
	if c.Digest == "" {
		t.Error("no digest")
	}
	c.notices, c.Digest = nil, ""
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

func TestWithoutFirewallSectionModeIsOff(t *testing.T) {
	c, err := Parse("x.yaml", []byte("checks: {}\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Firewall.Mode != Off || c.Firewall.Forward != ForwardDrop || c.Firewall.ConfirmWithin != time.Minute {
		t.Errorf("got %+v", c.Firewall)
	}
}

func TestNoManagement(t *testing.T) {
	for _, test := range []struct {
		file string
		opts Options
		ok   bool
	}{
		{"firewall: {mode: enforce}", Options{}, false},
		{"firewall: {mode: observe}", Options{}, false},
		{"firewall: {mode: off}", Options{}, true},
		{"firewall: {mode: enforce}", Options{NoManagement: true}, true},
		{"firewall: {}", Options{NoManagement: true}, true},
	} {
		if _, err := Parse("x.yaml", []byte(test.file), test.opts); (err == nil) != test.ok {
			t.Errorf("%s with %+v: %v", test.file, test.opts, err)
		}
	}
}

func TestDefaultsHoldWhereverTheyStand(t *testing.T) {
	c, err := Parse("x.yaml", []byte("checks:\n  dns: [{name: a, query: a.example}]\n  defaults: {interval: 9s}\n"),
		Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Checks.DNS[0].Interval; got != 9*time.Second {
		t.Errorf("interval %v", got)
	}
}

// TestDefaultsOfServers holds that what checks.defaults says of servers holds for each check that does not say otherwise,
// and that a service changes whose handshake is made where nothing says it.
func TestDefaultsOfServers(t *testing.T) {
	const file = `
checks:
  defaults: {revocation: hard, source: 10.20.0.3, interface: eth0, proxy: {address: "proxy.example:3128"}}
  tls:
    - {name: heir, address: "a.example:443"}
    - {name: own, address: "a.example:443", like: go, revocation: off, source: "2001:db8::3", interface: eth1, proxy: none}
  ldaps:
    - {name: directory, url: ldaps://a.example}
`
	for extra, like := range map[string]string{"": "go", "service: {user: uds}\n": "jvm",
		"service: {user: uds}\ntrust: {java: off}\n": "jvm"} {
		c, err := Parse("x.yaml", []byte(file+extra), Options{})
		if err != nil {
			t.Fatal(err)
		}
		heir, own, directory := c.Checks.TLS[0], c.Checks.TLS[1], c.Checks.LDAPS[0]
		for _, s := range []Server{heir.Server, directory.Server} {
			if s.Like != like || s.Revocation != "hard" || s.Source.String() != "10.20.0.3" || s.Interface != "eth0" {
				t.Errorf("with %q: %+v", extra, s)
			}
		}
		if heir.Proxy == nil || *heir.Proxy != (Proxy{Host: "proxy.example", Port: 3128}) || own.Proxy != nil {
			t.Errorf("proxies %+v and %+v", heir.Proxy, own.Proxy)
		}
		if own.Like != "go" || own.Revocation != "off" || own.Source.String() != "2001:db8::3" || own.Interface != "eth1" {
			t.Errorf("%+v", own.Server)
		}
	}
	const said = "service: {user: uds}\nchecks: {defaults: {like: go}, ldaps: [{name: a, discover: b}]}"
	c, err := Parse("x.yaml", []byte(said), Options{})
	if err != nil || c.Checks.LDAPS[0].Like != "go" || c.Checks.LDAPS[0].Host != "" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestExpiredWaivers(t *testing.T) {
	c := everyKey(t)
	for _, test := range []struct {
		now  string
		want []string
	}{
		{"2026-12-23T23:59:59Z", nil},
		{"2026-12-24T00:00:00Z", []string{"by-address"}},
		{"2027-03-01T00:00:00Z", []string{"posture.least.remote", "by-address"}},
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		errs := c.ExpiredWaivers(now)
		if len(errs) != len(test.want) {
			t.Fatalf("at %s: %v", test.now, errs)
		}
		for i, name := range test.want {
			if !strings.Contains(errs[i].Message, name) || errs[i].Line == 0 || !strings.Contains(errs[i].Source, name) {
				t.Errorf("at %s: %+v, want %s with its place", test.now, errs[i], name)
			}
		}
	}
}

func TestNotices(t *testing.T) {
	var lines []string
	for _, n := range everyKey(t).Notices() {
		lines = append(lines, n.String())
	}
	if len(lines) > 0 {
		t.Errorf("notices without reason: %q", lines)
	}
	const idle = "trust: {java: /opt/uds/jre}\nfirewall: {mode: off, ownership: watch}\n"
	c, err := Parse("x.yaml", []byte(idle), Options{})
	const want = "x.yaml:1:15: trust.java: /opt/uds/jre judges nothing, for no check has like: jvm"
	if err != nil || len(c.Notices()) != 1 || c.Notices()[0].String() != want {
		t.Errorf("%v, notices %v, want %s", err, c.Notices(), want)
	}
}
