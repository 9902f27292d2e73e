package netcheck

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
)

// TestInsideDNSFiltered has a packet filter before a server that answers.
func TestInsideDNSFiltered(t *testing.T) {
	inside(t)
	server := netip.MustParseAddrPort("127.0.0.9:53")
	dnsrig.UnboundAt(t, server, true)
	for _, c := range []struct {
		rule   string
		status check.Status
		cause  check.Cause
	}{
		{"", check.OK, ""},
		{"udp dport 53 drop", check.Fail, check.DNSTimeout},
		{"udp sport 53 drop", check.Fail, check.DNSTimeout},
		{"udp dport 53 reject", check.Fail, check.DNSUnreachable},
		{"tcp dport 53 drop", check.OK, ""}, // nobody asks by TCP
	} {
		command(t, "nft", "flush ruleset")
		if c.rule != "" {
			command(t, "nft", fmt.Sprintf("table inet way { chain in { type filter hook input priority 0; "+
				"ip daddr 127.0.0.9 %[1]s; ip saddr 127.0.0.9 %[1]s; }; }", c.rule))
		}
		r := askWWW(t, 500*time.Millisecond, server)
		if r.Status != c.status || r.Cause != c.cause {
			t.Errorf("%q: %s %q: %s; want %s %q", c.rule, r.Status, r.Cause, r.Detail, c.status, c.cause)
		}
	}
	command(t, "nft", "table inet way { chain in { type filter hook input priority 0; tcp dport 53 drop; }; }")
	r := DNS(DNSTarget{Query: "big.zone.test", Type: "TXT", Servers: at(server)})(withTimeout(t, 500*time.Millisecond))
	if r.Cause != check.DNSTimeout {
		t.Errorf("an answer too large for UDP, and TCP dropped: %q: %s", r.Cause, r.Detail)
	}
	command(t, "nft", "flush ruleset")
}

// TestInsideDNSStub tells systemd-resolved's stub from the servers behind it. An unbound that forwards stands in its place.
func TestInsideDNSStub(t *testing.T) {
	inside(t)
	stub, behind := netip.MustParseAddrPort("127.0.0.53:53"), netip.MustParseAddrPort("127.0.0.8:53")
	dir := t.TempDir()
	conf, resolved := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "resolved.conf")
	writeFile(t, conf, "nameserver 127.0.0.53\noptions edns0 trust-ad\n")
	writeFile(t, resolved, "nameserver 127.0.0.8\n")
	run := func(t *testing.T, status check.Status, cause check.Cause, detail string) DNSServerEvidence {
		t.Helper()
		target := DNSTarget{Query: "www.zone.test", Type: "A", resolvConf: conf, resolved: resolved}
		r := DNS(target)(withTimeout(t, 2*time.Second))
		if r.Status != status || r.Cause != cause || !strings.Contains(r.Detail, detail) {
			t.Errorf("%s %q: %s; want %s %q with %q", r.Status, r.Cause, r.Detail, status, cause, detail)
		}
		e := r.Evidence.(DNSEvidence).Servers[0]
		if e.Server != stub.String() || !slices.Equal(e.Asks, []string{behind.String()}) {
			t.Errorf("the stub's evidence is %+v; want whom it asks", e)
		}
		return e
	}
	t.Run("both down", func(t *testing.T) {
		e := run(t, check.Fail, check.DNSUnreachable, "no answer from 127.0.0.8:53 (dns.unreachable) either")
		if len(e.Behind) != 1 || e.Behind[0].Rcode != "" {
			t.Errorf("behind it: %+v", e.Behind)
		}
	})
	t.Run("upstream down", func(t *testing.T) {
		dnsrig.Forwarder(t, stub, behind)
		run(t, check.Fail, check.DNSTimeout, "no answer from 127.0.0.8:53 (dns.unreachable) either")
	})
	t.Run("stub down", func(t *testing.T) {
		dnsrig.UnboundAt(t, behind, true)
		e := run(t, check.Fail, check.DNSUnreachable,
			"127.0.0.8:53 behind this stub answers 192.0.2.1: it is the stub that fails")
		if len(e.Behind) != 1 || e.Behind[0].Rcode != "NOERROR" {
			t.Errorf("behind it: %+v", e.Behind)
		}
	})
	t.Run("both up", func(t *testing.T) {
		dnsrig.UnboundAt(t, behind, true)
		dnsrig.Forwarder(t, stub, behind)
		if e := run(t, check.OK, "", "192.0.2.1"); len(e.Behind) != 0 {
			t.Errorf("asked behind it: %+v", e.Behind)
		}
	})
}

// TestInsideDNSSearch goes through search lists beside the C library, and so the JVM (getaddrinfo(3)).
func TestInsideDNSSearch(t *testing.T) {
	inside(t)
	dnsrig.UnboundAt(t, netip.MustParseAddrPort("127.0.0.1:53"), true)
	tests := []struct {
		search, query string
		name, address string // the one that answers; empty address: none
		cause         check.Cause
	}{
		{"search gone.test zone.test", "www", "www.zone.test", "192.0.2.1", ""},
		{"search signed.test zone.test", "www", "www.signed.test", "192.0.2.1", ""},
		{"search empty.test zone.test", "www", "www.zone.test", "192.0.2.1", ""},  // no data: the next one
		{"search broken.test zone.test", "www", "www.zone.test", "192.0.2.1", ""}, // SERVFAIL: the next one
		{"search refused.test zone.test", "www", "www.refused.test", "", check.DNSRefused},
		{"search gone.test zone.test", "www.zone.test", "www.zone.test", "192.0.2.1", ""},
		{"search test", "www.zone", "www.zone.test", "192.0.2.1", ""},
		{"search test\noptions ndots:2", "www.zone", "www.zone.test", "192.0.2.1", ""},
		{"domain zone.test", "alias", "www.zone.test", "192.0.2.1", ""},
		{"search gone.test zone.test", "nobody", "nobody.gone.test", "", check.DNSNXDomain},
	}
	for _, tt := range tests {
		conf := filepath.Join(t.TempDir(), "resolv.conf")
		options := "\noptions attempts:1 timeout:1\n"
		writeFile(t, conf, "nameserver 127.0.0.1\n"+tt.search+options)
		command(t, "mount", "--bind", conf, "/etc/resolv.conf")
		out, _ := exec.Command("getent", "hosts", tt.query).Output() // its failure is an empty answer
		r := DNS(DNSTarget{Query: tt.query, Type: "A", Search: true})(withTimeout(t, 3*time.Second))
		command(t, "umount", "/etc/resolv.conf")
		if theirs, _, _ := strings.Cut(string(out), " "); theirs != tt.address {
			t.Errorf("%s, %s: the C library says %q; want %q", tt.search, tt.query, theirs, tt.address)
		}
		e := r.Evidence.(DNSEvidence)
		got := strings.Join(e.Servers[0].Answers, " ")
		if r.Cause != tt.cause || got != tt.address || answered(e) != tt.name {
			t.Errorf("%s, %s: %q: %s (%+v)", tt.search, tt.query, r.Cause, r.Detail, e)
		}
		if !strings.Contains(r.Detail, e.Name) || len(e.Search) == 0 || e.Query != tt.query {
			t.Errorf("%s, %s: %s; evidence %+v", tt.search, tt.query, r.Detail, e)
		}
	}
}

// answered is the name whose records stand in the evidence: the one asked for, or the last one behind its aliases.
func answered(e DNSEvidence) string {
	if chain := e.Servers[0].Chain; len(chain) > 0 {
		return chain[len(chain)-1]
	}
	return e.Name
}
