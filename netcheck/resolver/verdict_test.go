package resolver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/check"
	"sallyport/netcheck/internal/dnsrig"
)

// TestDNSPoison holds which addresses are no answer for a public name, and for which names.
func TestDNSPoison(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, addr string
		want       check.Cause
	}{
		{"console.us.code42.com", "203.0.113.7", ""},
		{"console.us.code42.com", "10.20.30.40", check.DNSMismatch},
		{"console.us.code42.com", "172.16.0.1", check.DNSMismatch},
		{"console.us.code42.com", "192.168.1.1", check.DNSMismatch},
		{"console.us.code42.com", "100.64.0.1", check.DNSMismatch},
		{"console.us.code42.com", "100.128.0.1", ""},
		{"console.us.code42.com", "fd12:3456::1", check.DNSMismatch},
		{"dc1.ad.our-own.com", "10.20.30.40", ""}, // below the host's own domain
		{"dc1.ad.our-own.com", "fd12:3456::1", ""},
		{"dc1.ad.our-own.com", "127.0.0.1", check.DNSMismatch},
		{"not-our-own.com", "10.20.30.40", check.DNSMismatch},
		{"x.com", "10.20.30.40", check.DNSMismatch},
		{"console.us.code42.com", "127.0.0.1", check.DNSMismatch},
		{"console.us.code42.com", "127.255.1.1", check.DNSMismatch},
		{"console.us.code42.com", "0.0.0.0", check.DNSMismatch},
		{"console.us.code42.com", "0.1.2.3", check.DNSMismatch},
		{"console.us.code42.com", "169.254.169.254", check.DNSMismatch},
		{"console.us.code42.com", "169.254.1.1", check.DNSMismatch},
		{"console.us.code42.com", "100.100.100.200", check.DNSMismatch},
		{"console.us.code42.com", "239.1.1.1", check.DNSMismatch},
		{"console.us.code42.com", "::1", check.DNSMismatch},
		{"console.us.code42.com", "::", check.DNSMismatch},
		{"console.us.code42.com", "::ffff:127.0.0.1", check.DNSMismatch},
		{"console.us.code42.com", "fe80::1", check.DNSMismatch},
		{"console.us.code42.com", "fd00:ec2::254", check.DNSMismatch},
		{"localhost", "127.0.0.1", ""},
		{"dc1.corp", "127.0.0.1", ""},
		{"dc1.corp.example", "127.0.0.1", ""},
		{"printer.LOCAL", "169.254.1.1", ""},
		{"router.home.arpa", "127.0.0.1", ""},
		{"db.internal", "127.0.0.1", ""},
		{"x.test", "127.0.0.1", ""},
	}
	own := func() []string { return []string{"com", "our-own.com"} }
	for _, tt := range tests {
		addr := netip.MustParseAddr(tt.addr)
		q := Question{Name: dns.CanonicalName(tt.name), Type: dns.TypeAAAA}
		header := dns.RR_Header{Name: q.Name, Rrtype: q.Type, Class: dns.ClassINET}
		msg := &dns.Msg{Answer: []dns.RR{&dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}}}
		if addr.Is4() {
			q.Type, header.Rrtype = dns.TypeA, dns.TypeA
			msg.Answer = []dns.RR{&dns.A{Hdr: header, A: addr.AsSlice()}}
		}
		if v := judgeReply(q, msg, Want{Own: own}); v.Cause != tt.want {
			t.Errorf("%s is %s: got %q: %s; want %q", tt.name, tt.addr, v.Cause, v.Detail, tt.want)
		}
		if v := judgeReply(q, msg, Want{Data: []string{tt.addr}}); v.Cause != "" && !addr.Is4In6() {
			t.Errorf("%s is %s as expected: got %q: %s", tt.name, tt.addr, v.Cause, v.Detail)
		}
	}
}

// FuzzJudgeReply holds that no packet breaks the judge, that nothing unescaped comes out of it, and that only an answer
// to the question which has the data is good.
func FuzzJudgeReply(f *testing.F) {
	q := Question{Name: "www.zone.test.", Type: dns.TypeA}
	query, err := q.message().Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(dnsrig.AnswerA("192.0.2.1")(query)[0], dns.TypeA)
	f.Add(dnsrig.DenyAll(query)[0], dns.TypeTXT)
	f.Add(dnsrig.Reply(query, func(m *dns.Msg) {
		m.Answer = []dns.RR{&dns.CNAME{Target: "www.zone.test.", Hdr: dns.RR_Header{Name: "www.zone.test.",
			Rrtype: dns.TypeCNAME, Class: dns.ClassINET}}}
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 6, ExtraText: "\x1b[2J\u202e"}}
	}), dns.TypeA)
	f.Fuzz(func(t *testing.T, raw []byte, qtype uint16) {
		q := Question{Name: "www.zone.test.", Type: qtype}
		id := uint16(0)
		if len(raw) > 1 {
			id = uint16(raw[0])<<8 | uint16(raw[1])
		}
		msg, err := parseReply(raw, q, id)
		if err != nil {
			if text := transportError(t.Context(), err).Error(); !printable(text) {
				t.Errorf("sentence %q", text)
			}
			return
		}
		v := judgeReply(q, msg, Want{})
		if v.Cause == "" && (msg.Rcode != dns.RcodeSuccess || len(v.Data) == 0) {
			t.Errorf("%v is taken for good", msg)
		}
		for _, text := range slices.Concat(Shown(v.Data, 20), Shown(v.Chain, 20), []string{v.Detail, v.Summary()}) {
			if !printable(text) || len(text) > 20*MaxText {
				t.Errorf("text %q", text)
			}
		}
	})
}

func printable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// TestDiagnoseName asks for names that Go's resolver failed at, at the servers of a resolv.conf.
func TestDiagnoseName(t *testing.T) {
	t.Parallel()
	server := dnsrig.Unbound(t, true)
	conf := t.TempDir() + "/resolv.conf"
	writeFile(t, conf, "nameserver 127.0.0.1\nsearch zone.test\n")
	notFound := &net.DNSError{Err: "no such host", IsNotFound: true}
	misbehaving := &net.DNSError{Err: "server misbehaving"}
	tests := []struct {
		host string
		err  error
		want check.Cause
	}{
		{"www.gone.test", notFound, check.DNSNXDomain},
		{"mail.zone.test", notFound, check.DNSNoData},
		{"mail", notFound, check.DNSNoData}, // through the search list
		{"dangling.zone.test", notFound, check.DNSDangling},
		{"www.refused.test", misbehaving, check.DNSRefused},
		{"www.broken.test", misbehaving, check.DNSServFail},
		{"www.expired.test", misbehaving, check.DNSBogus},
		{"www.dropped.test", &net.DNSError{Err: "i/o timeout", IsTimeout: true}, check.DNSTimeout},
		{"www.zone.test", misbehaving, check.DNSServFail}, // well again: the resolver's own words
		{"www.zone.test", &net.DNSError{Err: "i/o timeout", IsTimeout: true}, check.DNSTimeout},
		{"not a name..", errors.New("unknown"), check.DNSNXDomain},
	}
	for _, tt := range tests {
		got := diagnoseBy(withTimeout(t, 500*time.Millisecond), conf, server.Port(), tt.host, tt.err)
		if got.Cause != tt.want || !printable(got.Error()) || got.Error() == "" {
			t.Errorf("%s: got %q: %v; want %q", tt.host, got.Cause, got, tt.want)
		}
	}
	closed := dnsrig.FreePort(t).Port()
	got := diagnoseBy(withTimeout(t, time.Second), conf, closed, "www.zone.test", misbehaving)
	if got.Cause != check.DNSUnreachable {
		t.Errorf("closed port: got %q: %v; want dns.unreachable", got.Cause, got)
	}
	got = diagnoseBy(t.Context(), conf+".none", 0, "www.zone.test", misbehaving)
	if got.Cause != check.DNSNoResolver {
		t.Errorf("no resolv.conf: got %q: %v; want dns.no-resolver", got.Cause, got)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// withTimeout is the test's context with a deadline.
func withTimeout(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
