package config

import (
	"net/netip"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for _, test := range []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"100ms", 100 * time.Millisecond, true},
		{"30s", 30 * time.Second, true},
		{"1h30m", 90 * time.Minute, true},
		{"1.5h", 90 * time.Minute, true},
		{"21d", 21 * 24 * time.Hour, true},
		{"2w", 14 * 24 * time.Hour, true},
		{"1d12h", 36 * time.Hour, true},
		{"0s", 0, true},
		{"5us", 5 * time.Microsecond, true},
		{"5µs", 5 * time.Microsecond, true},
		{"7ns", 7, true},
		{"0.1s", 100 * time.Millisecond, true},
		{"", 0, false},
		{"30", 0, false},
		{"s", 0, false},
		{"-5s", 0, false},
		{"+5s", 0, false},
		{"5 s", 0, false},
		{"5S", 0, false},
		{"5y", 0, false},
		{".5s", 0, false},
		{"5.s", 0, false},
		{"1.2.3s", 0, false},
		{"1e3s", 0, false},
		{"0x10s", 0, false},
		{"300000000000d", 0, false},
		{"99999999999999999999999999999999999999999999999999999999999999s", 0, false},
		{"5s5", 0, false},
	} {
		got, ok := parseDuration(test.text)
		if got != test.want || ok != test.ok {
			t.Errorf("%q: %v, %v, want %v, %v", test.text, got, ok, test.want, test.ok)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for _, test := range []struct {
		text string
		want Ports
	}{
		{"22/tcp", Ports{"tcp", 22, 22}},
		{"1-65535/udp", Ports{"udp", 1, 65535}},
		{"8000-8000/udp", Ports{"udp", 8000, 8000}},
	} {
		if got, message, _ := parsePorts(test.text); got != test.want || message != "" {
			t.Errorf("%q: %+v, %s", test.text, got, message)
		}
	}
	for _, text := range []string{"", "22", "/tcp", "22/", "22/TCP", "0/tcp", "65536/tcp", "2-1/tcp", "1-2-3/tcp",
		"-1/tcp",
		"+1/tcp", "1_0/tcp", " 22/tcp", "22/tcp/udp", "22-/tcp", "0x16/tcp", "99999999999999999999/tcp"} {
		if got, message, mend := parsePorts(text); message == "" || mend == "" {
			t.Errorf("%q is read as %+v (%q, %q)", text, got, message, mend)
		}
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]DNSServer{
		"10.0.0.53":                   {"udp", netip.MustParseAddrPort("10.0.0.53:53"), "", ""},
		"::ffff:10.0.0.53":            {"udp", netip.MustParseAddrPort("10.0.0.53:53"), "", ""},
		"fe80::1%eth0":                {"udp", netip.MustParseAddrPort("[fe80::1%eth0]:53"), "", ""},
		"tcp://10.0.0.53":             {"tcp", netip.MustParseAddrPort("10.0.0.53:53"), "", ""},
		"tcp://[fe80::1%eth0]:54":     {"tcp", netip.MustParseAddrPort("[fe80::1%eth0]:54"), "", ""},
		"tcp://[2001:db8::53]":        {"tcp", netip.MustParseAddrPort("[2001:db8::53]:53"), "", ""},
		"tls://10.0.0.53":             {"tls", netip.MustParseAddrPort("10.0.0.53:853"), "", ""},
		"tls://10.0.0.53:8853#a.b":    {"tls", netip.MustParseAddrPort("10.0.0.53:8853"), "a.b", ""},
		"https://a.example/dns-query": {"https", netip.AddrPort{}, "a.example", "https://a.example/dns-query"},
		"https://a.example:8443/":     {"https", netip.AddrPort{}, "a.example", "https://a.example:8443/"},
		"https://10.0.0.53:443/q%20": {"https", netip.MustParseAddrPort("10.0.0.53:443"), "10.0.0.53",
			"https://10.0.0.53/q%20"},
		"https://[2001:db8::53]:1/q": {"https", netip.MustParseAddrPort("[2001:db8::53]:1"), "2001:db8::53",
			"https://[2001:db8::53]:1/q"},
	} {
		got, message, _ := parseServer(text)
		if message != "" || got != want {
			t.Errorf("%q: %+v, %s, want %+v", text, got, message, want)
		}
		if again, message, _ := parseServer(got.String()); message != "" || again != got {
			t.Errorf("%q is shown as %q, which is %+v, %s", text, got, again, message)
		}
	}
	for _, text := range []string{"", "a.example", "10.0.0.53:", "10.0.0.53:0", "[10.0.0.53]", "[2001:db8::53]", "0.0.0.0",
		"udp://10.0.0.53", "quic://10.0.0.53", "tcp://", "tcp://a.example", "tcp://2001:db8::53", "tcp://10.0.0.53/",
		"tcp://10.0.0.53#a", "tls://a.example", "tls://10.0.0.53#", "tls://10.0.0.53#a#b", "tls://ff02::1", "https://",
		"https://a.example", "https://a.example?x", "https://a.example/q?x", "https://a.example/q?", "https://a.example/q#x",
		"https://a.example/q{?dns}", "https://u:p@a.example/q", "https://0.0.0.0/q", "https://a.example:0/q",
		"https://a.example:99999/q", "https://a_.-/q", "https://[2001:db8::53/q", "http://a.example/q"} {
		if got, message, mend := parseServer(text); message == "" || mend == "" {
			t.Errorf("%q is read as %+v (%q, %q)", text, got, message, mend)
		}
	}
}

func TestEndpointOfServer(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.53": "10.0.0.53:53", "tcp://10.0.0.53:54": "10.0.0.53:54", "tls://[2001:db8::53]#a": "[2001:db8::53]:853",
		"https://a.example/q": "a.example:443", "https://a.example:8443/q": "a.example:8443",
		"https://10.0.0.53:1/q": "10.0.0.53:1",
	} {
		s, _, _ := parseServer(text)
		if host, port := s.Endpoint(); (endpoint{host, port}).String() != want {
			t.Errorf("%s is at %s %d, want %s", text, host, port, want)
		}
	}
}

func TestParseStatuses(t *testing.T) {
	for text, want := range map[string]StatusRange{"200": {200, 200}, "100-599": {100, 599}, "301-301": {301, 301}} {
		if got, message, _ := parseStatuses(text); message != "" || got != want {
			t.Errorf("%q: %+v, %s", text, got, message)
		}
	}
	for _, text := range []string{"", "99", "600", "2xx", "200-", "-200", "+200", "0200", "300-200",
		"200-300-400", "200 - 300"} {
		if got, message, mend := parseStatuses(text); message == "" || mend == "" {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func TestParsePrefix(t *testing.T) {
	for text, want := range map[string]string{
		"10.20.0.0/24":     "10.20.0.0/24",
		"10.20.0.7":        "10.20.0.7/32",
		"10.20.0.7/32":     "10.20.0.7/32",
		"128.0.0.0/1":      "128.0.0.0/1",
		"2001:db8::/32":    "2001:db8::/32",
		"2001:DB8:0::7":    "2001:db8::7/128",
		"fe80::/10":        "fe80::/10",
		"2001:db8::1/128":  "2001:db8::1/128",
		"255.255.255.255":  "255.255.255.255/32",
		"2001:db8:20::/64": "2001:db8:20::/64",
	} {
		if got, message, _ := parsePrefix(text); message != "" || got != netip.MustParsePrefix(want) {
			t.Errorf("%q: %v, %s", text, got, message)
		}
	}
	for _, text := range []string{"", "any", "10.20.0.5/24", "10.20.0.0/33", "10.20.0.0/-1", "10.20.0.0/024", "::/0",
		"0.0.0.0/0", "0.0.0.0", "::", "::ffff:10.0.0.1", "::ffff:10.0.0.0/120", "fe80::1%eth0", "ff02::1",
		"224.0.0.0/4", "010.0.0.1",
		"10.0.0",
		"example.com", "2001:db8::1/64", "10.0.0.0/8/8", "10.0.0.0/"} {
		if got, message, mend := parsePrefix(text); message == "" || mend == "" {
			t.Errorf("%q is read as %v (%q, %q)", text, got, message, mend)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 100 * time.Millisecond: "100ms", time.Minute: "1m", 90 * time.Second: "90s", 7 * day: "7d",
		36 * time.Hour: "36h",
	} {
		if got := short(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"interval", "timeout", "fail_after", "name"}
	for word, want := range map[string]string{
		"intervall": "interval", "Timeout": "timeout", "fail-after": "fail_after", "anme": "name", "logs": "", "": "",
		"name\x00": "name", string(make([]byte, 5000)): "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}

func TestReverse(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "7.2.0.192.in-addr.arpa",
		// RFC 3596 section 2.5
		"2001:db8::567:89ab": "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
	} {
		if got := reverse(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestTidyNameIsAName(t *testing.T) {
	for text, want := range map[string]string{"SSH admins": "ssh-admins", "1st": "st", "ssh": "ssh", "-": "", "é": "",
		"a.b_c-": "a-b-c"} {
		if got := tidyName(text); got != want || tidyName(got) != got {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
