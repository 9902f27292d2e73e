package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sallyport/config"
	"sallyport/firewall"
)

// egressFor is what a configuration with these lines below its firewall section lets out, a line for each destination.
func egressFor(t *testing.T, egress, rest string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sallyport.yaml")
	const management = "[{name: ssh, ports: [22/tcp], from: [10.20.0.0/24]}]"
	text := "firewall:\n  management: " + management + "\n  egress: " + egress + "\n" + rest
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Parse(file, []byte(text), config.Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := egressOf(conf, func(name string) (uint32, error) {
		switch name {
		case "uds":
			return 998, nil
		case ownUser:
			return 997, nil
		}
		if uid, err := strconv.ParseUint(name, 10, 32); err == nil {
			return uint32(uid), nil
		}
		return 0, errors.New("no such user")
	})
	if err != nil {
		return "", err
	}
	policy := firewall.Policy{NoManagement: true, Egress: e}
	if err := policy.Validate(); err != nil {
		t.Errorf("the policy is none: %v", err)
	}
	lines := []string{e.Mode.String()}
	for _, d := range e.To {
		lines = append(lines, destinationLine(d))
	}
	return strings.Join(lines, "\n"), nil
}

func destinationLine(d firewall.Destination) string {
	var to []string
	for _, p := range d.To {
		to = append(to, p.String())
	}
	to = append(to, d.Names...)
	if d.Any {
		to = append(to, "any")
	}
	var ports []string
	for _, p := range d.Ports {
		ports = append(ports, fmt.Sprintf("%d/%d", p.First, p.Protocol))
	}
	own := uint32(os.Getuid()) // which differs from one machine to the next
	users := slices.DeleteFunc(slices.Clone(d.Users), func(uid uint32) bool { return uid == own && uid != 0 })
	line := fmt.Sprintf("%s: %s %s", d.Name, strings.Join(to, " "), strings.Join(ports, " "))
	if len(users) > 0 {
		line += fmt.Sprint(" ", users)
	}
	return line
}

// TestEgressIsDerived derives the ways out from what the configuration has the host do.
func TestEgressIsDerived(t *testing.T) {
	const checks = `
checks:
  dns:
    - {name: resolver, query: a.example, servers: [10.0.0.53, "[2001:db8::53]:5353", 127.0.0.1]}
    - {name: encrypted, query: a.example, servers: ["tcp://10.0.0.53", "tls://10.0.0.53#dns.example",
       "tls://[2001:db8::53]:8853", "https://10.0.0.54/dns-query", "https://doh.example:8443/dns-query"]}
  tls:
    - {name: one, address: "Cloud.Example:443"}
    - {name: two, address: "cloud.example:443"}
    - {name: three, address: "192.0.2.7:443"}
    - {name: four, address: "cloud.example:8443"}
    - {name: here, address: "localhost:443"}
    - {name: self, address: "[::1]:443"}
    - {name: proxied, address: "hidden.example:443", proxy: {address: "proxy.example:3128"}}
    - {name: by-address, address: "192.0.2.8:443", proxy: {address: "10.0.0.8:3128"}}
  ldaps:
    - {name: directory, url: "ldaps://dc1.example"}
    - {name: clear, url: "ldap://dc2.example", starttls: true}
    - {name: all, discover: corp.example}
    - {name: all-clear, discover: Corp.example, starttls: true}
report:
  syslog:
    - {to: "unix:///dev/log"}
    - {to: "udp://10.0.0.9:514"}
    - {to: "udp://10.0.0.10:514"}
    - {to: "tls://logs.example:6514"}
    - {to: "tcp://127.0.0.1:514"}
`
	for name, c := range map[string]struct{ egress, rest, want string }{
		"open": {"{mode: open, also: [{name: ntp, to: [10.0.0.5], ports: [123/udp]}]}", checks, "open"},
		"none": {"{mode: observe}", "", "observe\nresolver_53: resolv.conf 53/6 53/17"},
		"all": {"{mode: enforce, also: [{name: ntp, to: [10.0.0.5, ntp.example], ports: [123/udp], users: [uds]}," +
			" {name: all, to: [any], ports: [80/tcp]}]}", checks + "service: {user: uds}\n",
			`enforce
resolver_53: 10.0.0.53/32 resolv.conf 53/6 53/17
resolver_5353: 2001:db8::53/128 5353/6 5353/17
resolver_tcp_53: 10.0.0.53/32 53/6
resolver_tls_853: 10.0.0.53/32 853/6
resolver_tls_8853: 2001:db8::53/128 8853/6
resolver_https_443: 10.0.0.54/32 443/6
resolver_https_8443: doh.example 8443/6
tls_443: 192.0.2.7/32 cloud.example 443/6
tls_8443: cloud.example 8443/6
proxy_3128: 10.0.0.8/32 proxy.example 3128/6
directory_636: dc1.example corp.example 636/6 [0 997 998]
directory_389: dc2.example corp.example 389/6 [0 997 998]
syslog_udp_514: 10.0.0.9/32 10.0.0.10/32 514/17
syslog_tcp_6514: logs.example 6514/6
ntp: 10.0.0.5/32 ntp.example 123/17 [998]
all: any 80/6`},
		"without a service": {"{mode: enforce}", "checks: {ldaps: [{name: directory, url: \"ldaps://10.0.0.36\"}]}\n",
			"enforce\nresolver_53: resolv.conf 53/6 53/17\ndirectory_636: 10.0.0.36/32 636/6 [0 997]"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := egressFor(t, c.egress, c.rest)
			if err != nil || got != c.want {
				t.Errorf("%v:\n%s\nwant:\n%s", err, got, c.want)
			}
		})
	}
}

// TestManyNamesAreShared holds that no destination has more names than the kernel has room for their addresses.
func TestManyNamesAreShared(t *testing.T) {
	var w waysOut
	port := firewall.Ports{Protocol: firewall.TCP, First: 443, Last: 443}
	for i := range 3*namesTogether + 1 {
		w.add("tls", fmt.Sprintf("n%d.example", i), nil, port)
		w.add("tls", netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}).String(), nil, port)
	}
	names := 0
	for i, d := range w.list {
		names += len(d.Names)
		if len(d.Names) > namesTogether || i > 0 && d.Name != fmt.Sprintf("tls_443_%d", i+1) {
			t.Errorf("%s has %d names", d.Name, len(d.Names))
		}
	}
	if len(w.list) != 4 || names != 3*namesTogether+1 {
		t.Errorf("%d destinations with %d names", len(w.list), names)
	}
}

// TestEgressUsersMustExist holds that a user who cannot be told is not passed by.
func TestEgressUsersMustExist(t *testing.T) {
	for _, c := range []struct{ egress, rest, says string }{
		{"{mode: enforce}", "service: {user: nobody-here}\n", "service.user: "},
		{"{mode: observe, also: [{name: x, to: [any], ports: [80/tcp], users: [nobody-here]}]}", "", "also: x: users: "},
	} {
		if _, err := egressFor(t, c.egress, c.rest); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
	for name, want := range map[string]string{"root": "0", "4242": "4242", "nobody-here": "error", "-1": "error"} {
		got := "error"
		if uid, err := uidOf(name); err == nil {
			got = fmt.Sprint(uid)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}
