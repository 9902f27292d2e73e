package netcheck

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"sallyport/check"
)

// TestDNSPoison holds which addresses are no answer for a public name, and for which names.
func TestDNSPoison(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, addr string
		want       check.Cause
	}{
		{"console.us.code42.com", "203.0.113.7", ""},
		{"console.us.code42.com", "10.20.30.40", ""}, // a split view
		{"console.us.code42.com", "fd12:3456::1", ""},
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
	for _, tt := range tests {
		addr := netip.MustParseAddr(tt.addr)
		q := dnsQuestion{name: dns.CanonicalName(tt.name), qtype: dns.TypeAAAA}
		header := dns.RR_Header{Name: q.name, Rrtype: q.qtype, Class: dns.ClassINET}
		msg := &dns.Msg{Answer: []dns.RR{&dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}}}
		if addr.Is4() {
			q.qtype, header.Rrtype = dns.TypeA, dns.TypeA
			msg.Answer = []dns.RR{&dns.A{Hdr: header, A: addr.AsSlice()}}
		}
		if v := judgeReply(q, msg, nil); v.cause != tt.want {
			t.Errorf("%s is %s: got %q: %s; want %q", tt.name, tt.addr, v.cause, v.detail, tt.want)
		}
		if v := judgeReply(q, msg, []string{tt.addr}); v.cause != "" && !addr.Is4In6() {
			t.Errorf("%s is %s as expected: got %q: %s", tt.name, tt.addr, v.cause, v.detail)
		}
	}
}

// FuzzJudgeReply holds that no packet breaks the judge, that nothing unescaped comes out of it, and that only an answer
// to the question which has the data is good.
func FuzzJudgeReply(f *testing.F) {
	q := dnsQuestion{name: "www.zone.test.", qtype: dns.TypeA}
	query, err := q.message().Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(answerA("192.0.2.1")(query)[0], dns.TypeA)
	f.Add(denyAll(query)[0], dns.TypeTXT)
	f.Add(reply(query, func(m *dns.Msg) {
		m.Answer = []dns.RR{&dns.CNAME{Target: "www.zone.test.", Hdr: dns.RR_Header{Name: "www.zone.test.",
			Rrtype: dns.TypeCNAME, Class: dns.ClassINET}}}
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 6, ExtraText: "\x1b[2J\u202e"}}
	}), dns.TypeA)
	f.Fuzz(func(t *testing.T, raw []byte, qtype uint16) {
		q := dnsQuestion{name: "www.zone.test.", qtype: qtype}
		id := uint16(0)
		if len(raw) > 1 {
			id = uint16(raw[0])<<8 | uint16(raw[1])
		}
		msg, err := parseReply(raw, q, id)
		if err != nil {
			if text := transportDNSError(t.Context(), err).Error(); !plain(text) {
				t.Errorf("sentence %q", text)
			}
			return
		}
		v := judgeReply(q, msg, nil)
		if v.cause == "" && (msg.Rcode != dns.RcodeSuccess || len(v.data) == 0) {
			t.Errorf("%v is taken for good", msg)
		}
		a := serverAnswer{reply: dnsReply{msg: msg, transport: "udp"}, verdict: v}
		e := a.evidence()
		for _, text := range slices.Concat(e.Answers, e.Chain, []string{v.detail, v.summary()}) {
			if !plain(text) || len(text) > 20*maxDNSText {
				t.Errorf("text %q", text)
			}
		}
	})
}

func plain(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain": "plain", `a "word" \032`: `a "word" \032`, "\x1b[31m\n": `\x1b[31m\n`,
		"é\u202e\xff":           `\u00e9\u202e\xff`,
		strings.Repeat("x", 31): strings.Repeat("x", 30) + "...",
	} {
		if got := cleanText(in, 30); got != want {
			t.Errorf("%q: got %q; want %q", in, got, want)
		}
	}
}

// TestDiagnoseName asks for names that Go's resolver failed at, at the servers of a resolv.conf.
func TestDiagnoseName(t *testing.T) {
	t.Parallel()
	server := startUnbound(t, true)
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
		got := diagnoseNameBy(withTimeout(t, 500*time.Millisecond), conf, server.Port(), tt.host, tt.err)
		if got.Cause != tt.want || !plain(got.Error()) || got.Error() == "" {
			t.Errorf("%s: got %q: %v; want %q", tt.host, got.Cause, got, tt.want)
		}
		if cause, _, ok := classifyDNS(&phaseError{phase: phaseDNS, err: got}); !ok || cause != tt.want {
			t.Errorf("%s: classified as %q", tt.host, cause)
		}
	}
	closed := uint16(freePort(t))
	got := diagnoseNameBy(withTimeout(t, time.Second), conf, closed, "www.zone.test", misbehaving)
	if got.Cause != check.DNSUnreachable {
		t.Errorf("closed port: got %q: %v; want dns.unreachable", got.Cause, got)
	}
	got = diagnoseNameBy(t.Context(), conf+".none", 0, "www.zone.test", misbehaving)
	if got.Cause != check.DNSNoResolver {
		t.Errorf("no resolv.conf: got %q: %v; want dns.no-resolver", got.Cause, got)
	}
}

// TestClassifyDNS holds what is made of the words of Go's own resolver.
func TestClassifyDNS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		err  error
		want check.Cause
	}{
		{&net.DNSError{IsTimeout: true}, check.DNSTimeout},
		{&net.DNSError{IsNotFound: true}, check.DNSNXDomain},
		{&net.DNSError{Err: "read udp 127.0.0.1:5->127.0.0.1:53: read: connection refused"}, check.DNSUnreachable},
		{&net.DNSError{Err: "dial udp 192.0.2.1:53: connect: network is unreachable"}, check.DNSUnreachable},
		{&net.DNSError{Err: "server misbehaving"}, check.DNSServFail},
		{&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, check.DNSNXDomain},
	}
	for _, tt := range tests {
		if cause, _, ok := classifyDNS(tt.err); !ok || cause != tt.want {
			t.Errorf("%v: got %q; want %q", tt.err, cause, tt.want)
		}
	}
	if _, _, ok := classifyDNS(errors.New("other")); ok {
		t.Error("an error of another layer was taken for one of dns")
	}
}
