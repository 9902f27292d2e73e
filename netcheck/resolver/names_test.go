package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/netcheck/internal/dnsrig"
)

// addressRecords answers A and AAAA questions, each by an alias, with TTLs.
func addressRecords(m *dns.Msg) {
	q := m.Question[0]
	header := func(name string, kind uint16, ttl uint32) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
	}
	if q.Name != "cloud.zone.test." {
		m.Rcode = dns.RcodeNameError
		return
	}
	m.Answer = append(m.Answer, &dns.CNAME{Hdr: header(q.Name, dns.TypeCNAME, 300), Target: "pool.zone.test."})
	switch q.Qtype {
	case dns.TypeA:
		m.Answer = append(m.Answer,
			&dns.A{Hdr: header("pool.zone.test.", dns.TypeA, 60), A: net.ParseIP("192.0.2.1")},
			&dns.A{Hdr: header("pool.zone.test.", dns.TypeA, 60), A: net.ParseIP("192.0.2.2")},
			&dns.A{Hdr: header("other.zone.test.", dns.TypeA, 60), A: net.ParseIP("203.0.113.66")})
	case dns.TypeAAAA:
		m.Answer = append(m.Answer,
			&dns.AAAA{Hdr: header("pool.zone.test.", dns.TypeAAAA, 900), AAAA: net.ParseIP("2001:db8::1")})
	}
}

// TestAddresses asks a server for both types, follows the alias and takes the lowest TTL of each chain.
func TestAddresses(t *testing.T) {
	t.Parallel()
	server := dnsrig.Fake(t, func(query []byte) [][]byte { return [][]byte{dnsrig.Reply(query, addressRecords)} })
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver "+server.Addr().String()+"\nsearch zone.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cloud.zone.test", "cloud"} { // the latter by the search list
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		answer, err := addressesBy(ctx, conf, server.Port(), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, a := range answer.Addresses {
			got = append(got, fmt.Sprintf("%s %s", a.Addr, a.TTL))
		}
		slices.Sort(got)
		if want := []string{"192.0.2.1 1m0s", "192.0.2.2 1m0s", "2001:db8::1 5m0s"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		if answer.Fresh != time.Minute {
			t.Errorf("%s is fresh for %s", name, answer.Fresh)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if answer, err := addressesBy(ctx, conf, server.Port(), "nowhere.zone.test"); err == nil {
		t.Errorf("a name that does not exist: %v", answer)
	}
}

// TestAddressesOfTheHostsFile holds that a name that only /etc/hosts has is found.
func TestAddressesOfTheHostsFile(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	answer, err := addressesBy(ctx, "/nonexistent", 0, "localhost")
	if err != nil || len(answer.Addresses) == 0 || !answer.Addresses[0].Addr.IsLoopback() || answer.Fresh != 0 {
		t.Errorf("%v, %v", answer, err)
	}
}

// TestAskedResolvers looks behind a resolver on the host itself.
func TestAskedResolvers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	away := file("away", "nameserver 10.0.0.53\nnameserver fe80::1%eth0\n")
	stub, none := file("stub", "nameserver 127.0.0.53\n"), file("none", "# nothing\n")
	for _, c := range []struct{ conf, resolved, want string }{
		{away, "/nonexistent", "10.0.0.53 fe80::1%eth0"},
		{stub, away, "10.0.0.53 fe80::1%eth0"},
		{stub, "/nonexistent", "error"},
		{stub, stub, "error"},
		{none, away, "error"},
		{"/nonexistent", away, "error"},
	} {
		servers, err := askedBy(c.conf, c.resolved)
		got := "error"
		if err == nil {
			got = ""
			for i, s := range servers {
				if i > 0 {
					got += " "
				}
				got += netip.Addr.String(s)
			}
		}
		if got != c.want {
			t.Errorf("%s, %s: %s (%v), want %s", filepath.Base(c.conf), filepath.Base(c.resolved), got, err, c.want)
		}
	}
}
